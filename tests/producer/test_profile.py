from pathlib import Path

import pytest

from producer import ConfigError, Profile, TlsPolicy, load_profile
from producer.net.tls import ssl_context
from producer.profile import PROFILE_BYTES_MAX, default_path

HEAD = 'version = "2.0"\ncurrent_profile = "local"\n[profile.local]\ncluster = "here"\n'
CLUSTER = '[cluster.here]\nendpoint = "127.0.0.1:9003"\n'


def load(tmp_path: Path, text: str, name: str | None = None) -> Profile:
    path = tmp_path / "config"
    path.write_text(text)
    return load_profile(name, path)


def test_the_current_profile_names_a_cluster(tmp_path: Path) -> None:
    text = HEAD + CLUSTER + "use_spu_local_address = true\n"
    assert load(tmp_path, text) == Profile("127.0.0.1:9003", use_spu_local_address=True)


def test_another_profile_can_be_asked_for_and_the_old_name_of_the_endpoint_is_known(
    tmp_path: Path,
) -> None:
    other = '[profile.other]\ncluster = "there"\n[cluster.there]\naddr = "there"\n'
    assert load(tmp_path, HEAD + CLUSTER + other, "other").endpoint == "there"


def test_the_client_id_of_the_file_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path, 'client_id = "me"\n' + HEAD + CLUSTER).client_id == "me"


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ('tls_policy = "disabled"', TlsPolicy()),
        ('tls_policy = "anonymous"', TlsPolicy("anonymous")),
        (
            'tls_policy = "verified"\ntls_source = "inline"\n[cluster.here.tls.certs]\n'
            'domain = "d"\nkey = "K"\ncert = "C"\nca_cert = "A"',
            TlsPolicy("verified", "d", "A", "C", "K"),
        ),
        (
            'tls_policy = "verify"\ntls_source = "files"\n[cluster.here.tls.certs]\n'
            'domain = "d"\nca_cert = "/a"',
            TlsPolicy("verified", "d", Path("/a")),
        ),
    ],
)
def test_tls_policies_are_those_of_fluvio(tmp_path: Path, tls: str, expected: TlsPolicy) -> None:
    assert load(tmp_path, f"{HEAD}{CLUSTER}[cluster.here.tls]\n{tls}\n").tls == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("= 5", "not TOML"),
        ('version = "2.0"', "there is no current_profile"),
        ("current_profile = 5", "current_profile is not a text"),
        ('current_profile = "x"', "there is no table 'profile'"),
        ('current_profile = "x"\n[profile.y]', "there is no profile 'x'"),
        ('current_profile = "x"\n[profile.x]', "profile 'x' names no cluster"),
        (HEAD, "there is no table 'cluster'"),
        (HEAD + "[cluster.other]", "there is no cluster 'here'"),
        (HEAD + "[cluster.here]", "cluster 'here' has no endpoint"),
        (HEAD + '[cluster.here]\nendpoint = "host:port"', "'host:port' is not an address"),
        (HEAD + CLUSTER + "tls = 5", "tls is not a table"),
        (HEAD + CLUSTER + '[cluster.here.tls]\ntls_policy = "some"', "tls_policy is 'some'"),
        (
            HEAD + CLUSTER + '[cluster.here.tls]\ntls_policy = "verified"\ntls_source = "air"',
            "tls_source is 'air'",
        ),
    ],
)
def test_a_profile_that_is_not_understood_says_where_and_why(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "config"))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than"):
        load(tmp_path, "#" * (PROFILE_BYTES_MAX + 1))


def test_a_missing_file_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "none"))
    assert default_path() == tmp_path / "none"
    with pytest.raises(ConfigError, match="there is no profile file; give the SC's address"):
        load_profile()


def test_the_default_file_is_that_of_fluvio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLV_PROFILE_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".fluvio" / "config"


def test_certificates_that_are_none_are_an_error(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    for policy in (
        TlsPolicy("verified", "d", tmp_path / "none"),
        TlsPolicy("verified", "d", "no certificate"),
        TlsPolicy("verified", "d", None, wrong, wrong),
    ):
        with pytest.raises(ConfigError, match=r"^TLS: "):
            ssl_context(policy)
    with pytest.raises(ConfigError, match="both cert and key"):
        ssl_context(TlsPolicy("verified", "d", cert="C"))


def test_a_key_is_not_printed() -> None:
    assert "secret" not in repr(TlsPolicy("verified", "d", key="secret"))


def test_paths_may_start_at_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=f"^TLS: {tmp_path}/ca.pem: No such file"):
        ssl_context(TlsPolicy("verified", "d", Path("~/ca.pem")))
    with pytest.raises(ConfigError, match=r"^TLS: .*home directory"):
        ssl_context(TlsPolicy("verified", "d", Path("~no-such-user-here/ca.pem")))
