from tests.official.wheel import absence, requirement

LINUX = {"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"}
WINDOWS = {"python_version": "3.11", "sys_platform": "win32", "platform_machine": "AMD64"}


def test_the_version_that_is_asked_for_will_do() -> None:
    assert absence(requirement(), "0.21.0", LINUX) is None


def test_where_the_wheel_exists_a_missing_client_is_a_failure() -> None:
    missing = absence(requirement(), None, LINUX)
    assert missing is not None
    assert missing.outcome == "fail"
    assert "make setup" in missing.reason


def test_where_no_wheel_exists_a_missing_client_is_a_reason_to_skip() -> None:
    missing = absence(requirement(), None, WINDOWS)
    assert missing is not None
    assert missing.outcome == "skip"


def test_another_version_of_the_client_is_a_failure() -> None:
    missing = absence(requirement(), "0.20.0", LINUX)
    assert missing is not None
    assert missing.outcome == "fail"
    assert "0.20.0" in missing.reason
