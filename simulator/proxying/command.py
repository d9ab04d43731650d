"""The command ``spu-simulator proxy``."""

import secrets
import ssl
from pathlib import Path
from typing import Any

import click

from simulator.control.command_options import fault_options, network_options, run_options
from simulator.control.program import program_options, run_program
from simulator.proxying.config import configure_proxy, upstream_of
from simulator.proxying.proxy import open_proxy
from simulator.proxying.tls import own_server_context, server_context

EPILOG = """\b
Examples:
  spu-simulator proxy --upstream cluster.example.org:9003 --drop 0.1 --at response
      Store all records in the cluster, but drop a tenth of the responses: causes duplicates.
  spu-simulator proxy --upstream 127.0.0.1:9103 --faults faults.yaml --seed 7
      Faults that strike exact exchanges with a cluster on this machine.
  spu-simulator proxy --profile ~/.fluvio/config --tls-domain fluvio.test --tls-ca ca.pem
      TLS on both sides: to the cluster of the current profile, and with a certificate for
      fluvio.test from clients, who trust ca.pem.

\b
Connect a client to the proxy in place of the cluster:
  fluvio profile add proxied 127.0.0.1:9003 && fluvio produce greetings

SIGINT, SIGTERM and SIGHUP print a summary and end the proxy with status 0.
"""


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@click.option("--upstream", metavar="HOST:PORT", help="The address of the cluster's SC.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file of Fluvio profiles, usually ~/.fluvio/config. Its current profile tells the "
    "address of the cluster, its TLS, and which addresses of SPUs are used.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The certificate (PEM) with which clients are served; it names the domain of their "
    "profile, and *.domain for the SPUs.",
)
@click.option(
    "--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="The key of --tls-cert."
)
@click.option(
    "--tls-domain",
    metavar="NAME",
    help="Serve clients with a new certificate for this domain and *.domain, of an authority of "
    "the proxy's own; needs the package trustme.",
)
@click.option(
    "--tls-ca",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the certificate of that authority is written, for clients.",
)
@network_options
@fault_options
@run_options
def proxy(
    upstream: str | None,
    profile: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_domain: str | None,
    tls_ca: Path | None,
    **given: Any,
) -> None:
    """Stand before a Fluvio cluster and inject network faults from a seed.

    Clients connect to the proxy as to the cluster: the addresses of SPUs that they are told are
    those of the proxy. Frames that no fault strikes pass as they are.
    """
    program = program_options(given)
    if given["seed"] is None:
        given["seed"] = secrets.randbits(32)
    options = {name: value for name, value in given.items() if value is not None}
    context = _served_with(tls_cert, tls_key, tls_domain, tls_ca)
    config = configure_proxy(upstream_of(upstream, profile), context=context, **options)
    run_program(lambda sinks: open_proxy(config, sinks=sinks), program)


def _served_with(
    cert: Path | None, key: Path | None, domain: str | None, authority: Path | None
) -> ssl.SSLContext | None:
    """Return the TLS that clients use; None for plain TCP."""
    if (cert is None) is not (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if (domain is None) is not (authority is None):
        raise click.UsageError("--tls-domain and --tls-ca go together")
    if cert is not None and domain is not None:
        raise click.UsageError("--tls-cert and --tls-domain exclude each other")
    if cert is not None and key is not None:
        return server_context(cert, key)
    if domain is not None and authority is not None:
        return own_server_context(domain, authority)
    return None
