"""TLS on both sides: verified by the client, and by the proxy."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from producer import DeliverySemantic, Fluvio, Profile, TlsPolicy, TopicProducerConfig
from simulator import SimulatorError, open_simulator
from simulator.proxying.config import configure_proxy, upstream_of
from simulator.proxying.proxy import open_proxy
from simulator.proxying.tls import listen_with_tls, own_server_context, server_context
from simulator.serving.transport import listen_on_tcp

DOMAIN = "fluvio.test"


def profile_text(endpoint: str, policy: str, ca_file: Path | None = None) -> str:
    certs = ""
    if ca_file is not None:
        certs = (
            f'tls_source = "files"\n[cluster.real.tls.certs]\ndomain = "{DOMAIN}"\n'
            f'ca_cert = "{ca_file}"\n'
        )
    return (
        'current_profile = "real"\n[profile.real]\ncluster = "real"\n'
        f'[cluster.real]\nendpoint = "{endpoint}"\n'
        f'[cluster.real.tls]\ntls_policy = "{policy}"\n{certs}'
    )


async def deliver(address: str, ca_file: Path) -> None:
    tls = TlsPolicy("verified", domain=DOMAIN, ca_cert=ca_file)
    config = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_least_once())
    async with (
        Fluvio.connect(profile=Profile(address, tls=tls)) as client,
        client.topic_producer("greetings", config) as producer,
    ):
        for n in range(3):
            await producer.send(b"", b"%d" % n)
        await producer.flush()


@pytest.mark.parametrize("policy", ["verified", "anonymous"])
async def test_records_are_delivered_with_verified_tls_on_both_sides(
    policy: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # The simulator's SPU is custom-spu-5001; its certificate must have that name below the domain.
    authority.issue_cert(DOMAIN, f"custom-spu-5001.{DOMAIN}").configure_cert(theirs)
    authority.cert_pem.write_to_path(str(tmp_path / "theirs.pem"))
    async with open_simulator(listen=listen_with_tls(listen_on_tcp, theirs)) as sim:
        held = tmp_path / "config"
        held.write_text(profile_text(sim.address, policy, tmp_path / "theirs.pem"))
        ours = own_server_context(DOMAIN, tmp_path / "ours.pem")
        config = configure_proxy(upstream_of(None, held), context=ours, drop=0.0)
        async with open_proxy(config) as proxy:
            await deliver(proxy.address, tmp_path / "ours.pem")
        assert [record.value for record in sim.log("greetings", 0)] == [b"0", b"1", b"2"]


async def test_a_cluster_that_does_not_verify_is_refused(tmp_path: Path) -> None:
    theirs = own_server_context("other.test", tmp_path / "theirs.pem")
    async with open_simulator(listen=listen_with_tls(listen_on_tcp, theirs)) as sim:
        held = tmp_path / "config"
        held.write_text(profile_text(sim.address, "verified", tmp_path / "theirs.pem"))
        with pytest.raises(SimulatorError, match="its certificate does not verify: Hostname"):
            async with open_proxy(configure_proxy(upstream_of(None, held))):
                raise AssertionError("it must not start")


async def test_a_client_without_tls_gets_no_answer(tmp_path: Path) -> None:
    ours = own_server_context(DOMAIN, tmp_path / "ours.pem")
    async with open_simulator() as sim:
        config = configure_proxy(upstream_of(sim.address, None), context=ours)
        async with open_proxy(config) as proxy:
            host, _, port = proxy.address.partition(":")
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(bytes(100))
                with trio.fail_after(30):
                    while await stream.receive_some():
                        pass


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"TLS: .*missing\.pem: No such file"):
        server_context(tmp_path / "missing.pem", tmp_path / "missing.pem")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(SimulatorError, match="TLS: "):
        server_context(wrong, wrong)
