"""An application on trial: what its input and its exit status are worth."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.application import TERM_S, TIMEOUT_MAX_S, ApplicationOnTrial
from chaos.history import History
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

EXAMPLE = Path(__file__).parents[3] / "examples" / "application.py"
HONEST = EXAMPLE.read_text()

RESET: Any = [{"disconnect": {"name": "reset", "at": "response", "how": "rst", "nth": 1}}]
REFUSED: Any = [{"error": {"name": "refused", "at": "request", "code": "PartitionFull"}}]

FLUSH = "await producer.flush()"


def changed(old: str, new: str) -> str:
    """The example with one defect."""
    assert HONEST.count(old) == 1, old
    return HONEST.replace(old, new)


def saved(directory: Path, script: str) -> str:
    """The command of a program."""
    path = directory / "app.py"
    path.write_text(script)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{address}}"


def tried(
    command: str,
    *,
    workload: Sequence[Any] = ({"send": {"count": 5}},),
    timeout_s: float = 30.0,
    values_file: str | None = None,
    **data: Any,
) -> tuple[History, Result]:
    application = ApplicationOnTrial(command=command, timeout_s=timeout_s, values_file=values_file)
    scenario = Scenario.model_validate(
        {"name": "x", "worlds": ["tcp"], "workload": list(workload), **data}
    )
    history = run_scenario(scenario, "tcp", application.open)
    assert history.defect is None
    return history, judge(history)


def ran(directory: Path, script: str, **options: Any) -> tuple[History, Result]:
    return tried(saved(directory, script), **options)


def broken(result: Result) -> list[str]:
    return [finding.check for finding in result.broken]


def figures(result: Result) -> dict[str, int]:
    return {name: n for name, n in result.figures.items() if n}


# --- status 0


def test_an_honest_application_is_valid_and_the_rest_is_not_applicable(tmp_path: Path) -> None:
    history, result = ran(tmp_path, HONEST)
    assert (result.verdict, result.reasons, result.notes) == ("valid", (), ())
    assert figures(result) == {"sent": 5, "acknowledged": 5}
    judged = {each.check: each.judged for each in result.findings if each.not_applicable is None}
    assert judged == {
        "acked-is-stored": 5,
        "unprovoked-duplicate": 5,
        "no-phantom": 5,
        "order": 5,
        "always": 0,
    }
    others = {each.not_applicable for each in result.findings} - {None}
    assert others == {
        "calls: the application makes its own",
        "consume: what the application reads is not known",
    }
    assert history.not_applicable == [
        "calls: the application makes its own",
        "probe: the application has ended when the cluster is healed",
    ]


def test_faults_strike_until_it_has_ended_and_a_provoked_duplicate_is_none_of_its_faults(
    tmp_path: Path,
) -> None:
    _, result = ran(tmp_path, HONEST, faults=RESET)
    assert (result.verdict, dict(result.fired)) == ("valid", {"reset": 1})
    assert result.figures["duplicated"] > 0


def test_a_loss_behind_status_0_is_invalid(tmp_path: Path) -> None:
    script = changed(
        'await producer.send(None, line.rstrip(b"\\n"))',
        'if not line.startswith(b"00000003"):\n'
        '                await producer.send(None, line.rstrip(b"\\n"))',
    )
    _, result = ran(tmp_path, script)
    assert broken(result) == ["acked-is-stored"]
    (violation,) = result.broken[0].violations
    assert violation.records == (3,)


def test_an_error_that_it_ignores_is_a_loss(tmp_path: Path) -> None:
    script = changed("sys.exit(f", "print(f")
    _, result = ran(tmp_path, script, faults=REFUSED)
    assert broken(result) == ["acked-is-stored"]


def test_two_copies_without_a_reason_are_invalid(tmp_path: Path) -> None:
    line = 'await producer.send(None, line.rstrip(b"\\n"))'
    script = changed(line, f"{line}\n            await producer.flush()\n            {line}")
    _, result = ran(tmp_path, script, workload=[{"send": {"count": 2}}])
    assert broken(result) == ["unprovoked-duplicate"]
    assert "nothing struck that connection" in result.broken[0].violations[0].text


def test_a_record_twice_in_one_request_is_invalid(tmp_path: Path) -> None:
    line = 'await producer.send(None, line.rstrip(b"\\n"))'
    _, result = ran(tmp_path, changed(line, f"{line}\n            {line}"))
    assert broken(result) == ["unprovoked-duplicate"]
    assert result.figures["duplicated"] == 5


def test_where_answers_wait_for_the_commit_a_second_transmission_may_have_a_reason(
    tmp_path: Path,
) -> None:
    line = 'await producer.send(None, line.rstrip(b"\\n"))'
    script = changed(line, f"{line}\n            await producer.flush()\n            {line}")
    one = [{"send": {"count": 1}}]
    _, result = ran(tmp_path, script, workload=one, cluster={"commit_delay": "1ms"})
    assert result.reasons == ("unprovoked-duplicate judged none, blind for: commit-uncertain 1",)


def test_an_order_of_its_own_is_invalid(tmp_path: Path) -> None:
    script = changed(
        "async for line in trio.wrap_file(sys.stdin.buffer):",
        "for line in reversed(sys.stdin.buffer.readlines()):",
    )
    _, result = ran(tmp_path, script)
    assert broken(result) == ["order"]


def test_a_value_that_no_line_holds_is_a_phantom(tmp_path: Path) -> None:
    _, result = ran(tmp_path, changed('line.rstrip(b"\\n")', 'b"<" + line'))
    assert broken(result) == ["acked-is-stored", "no-phantom"]
    assert "b'<00000000" in result.broken[1].violations[0].text


def test_keys_are_its_own(tmp_path: Path) -> None:
    script = changed("send(None, ", "send(line[:2], ")
    history, result = ran(
        tmp_path, script, topic={"partitions": 3}, workload=[{"send": {"count": 5, "keys": 2}}]
    )
    assert (result.verdict, result.figures["lost"]) == ("valid", 0)
    assert "keys: the application chooses its own keys" in history.not_applicable


def test_under_at_most_once_a_second_transmission_is_invalid(tmp_path: Path) -> None:
    _, result = ran(tmp_path, HONEST, faults=RESET, producer={"delivery_semantic": "at-most-once"})
    assert broken(result) == ["no-duplicates"]


# --- another status


def test_a_loss_behind_another_status_is_inconclusive(tmp_path: Path) -> None:
    script = "import sys\nsys.stdin.read()\nsys.exit('a first line\\n\\nno luck')\n"
    history, result = ran(tmp_path, script)
    assert (result.verdict, figures(result)) == (
        "inconclusive",
        {"sent": 5, "unknown": 5, "lost": 5},
    )
    assert result.reasons == ("acked-is-stored judged none, blind for: exit-status 5",)
    assert result.notes == (
        "the application ended with status 1",
        "standard error: a first line",
        "standard error: no luck",
    )
    assert judge(History.loads(history.dumps())) == result


def test_another_status_without_a_loss_says_nothing_against_it(tmp_path: Path) -> None:
    _, result = ran(tmp_path, changed(FLUSH, f"{FLUSH}\n        sys.exit(3)"))
    assert (result.verdict, result.notes) == ("valid", ("the application ended with status 3",))


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        (
            "async for line in trio.wrap_file(sys.stdin.buffer):",
            "for line in reversed(sys.stdin.buffer.readlines()):",
            "order",
        ),
        (FLUSH, f'await producer.send(None, b"foreign")\n        {FLUSH}', "no-phantom"),
        (
            FLUSH,
            f"await producer.send(None, line.rstrip())\n        {FLUSH}",
            "unprovoked-duplicate",
        ),
    ],
)
def test_what_does_not_depend_on_its_word_is_judged_with_any_status(
    tmp_path: Path, old: str, new: str, check: str
) -> None:
    script = changed(old, new).replace(FLUSH, f"{FLUSH}\n        sys.exit(1)")
    _, result = ran(tmp_path, script)
    assert broken(result) == [check]
    assert "the application ended with status 1" in result.notes


def test_the_order_of_disturbed_records_does_not_count_with_another_status(
    tmp_path: Path,
) -> None:
    script = changed(
        "async for line in trio.wrap_file(sys.stdin.buffer):",
        "for line in reversed(sys.stdin.buffer.readlines()):",
    ).replace(FLUSH, f"{FLUSH}\n        sys.exit(1)")
    late = {"delay": {"name": "late", "by": "1ms"}}
    _, result = ran(tmp_path, script, faults=[late])
    assert (result.verdict, broken(result)) == ("valid", [])


@pytest.mark.parametrize(("status", "verdict"), [(0, "valid"), (1, "inconclusive")])
def test_how_many_are_acknowledged_is_known_with_status_0(
    tmp_path: Path, status: int, verdict: str
) -> None:
    script = changed(FLUSH, f"{FLUSH}\n        sys.exit({status})")
    _, result = ran(tmp_path, script, always={"acknowledged": 5})
    assert result.verdict == verdict


def test_a_scenario_may_demand_that_nothing_is_lost_whatever_the_status_says() -> None:
    _, result = tried("false {address}", always={"lost": 0})
    assert broken(result) == ["always"]


# --- its end: programs that start faster than Python


def test_one_that_does_not_end_is_terminated_and_its_loss_inconclusive() -> None:
    history, result = tried("sh -c 'sleep 60' {address}", timeout_s=0.1)
    assert result.verdict == "inconclusive"
    assert history.silent == (
        "the application was ended by signal 15 after SIGTERM: it did not end within 0.1 s after "
        "its input"
    )
    assert history.healed_at is not None


def test_status_0_after_sigterm_is_its_word_as_well() -> None:
    script = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
    history, result = tried(f"sh -c {shlex.quote(script)} {{address}}", timeout_s=0.5)
    assert (history.silent, history.exit) == (None, None)
    assert broken(result) == ["acked-is-stored"]


def test_one_that_ignores_sigterm_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.drivers.application.TERM_S", 0.1)
    script = "trap '' TERM; echo still here >&2; sleep 60 & sleep 60"
    history, result = tried(f"sh -c {shlex.quote(script)} {{address}}", timeout_s=0.5)
    assert history.silent == (
        "the application was ended by SIGKILL: it did not end within 0.5 s after its input, nor "
        "within 0.1 s after SIGTERM"
    )
    assert (result.verdict, history.complaint) == ("inconclusive", ["still here"])


MANY = [{"send": {"count": 300, "size": 1000}}, {"sleep": "1ms"}]
"""More than a pipe holds."""


@pytest.mark.parametrize("command", ["true {address}", "sh -c 'sleep 0.1' {address}"])
def test_one_that_reads_nothing_holds_nothing_up(command: str) -> None:
    history, result = tried(command, workload=MANY)
    assert (history.silent, history.exit) == (None, None)
    assert (broken(result), result.figures["lost"]) == (["acked-is-stored"], 300)


def test_what_it_prints_is_read_and_of_its_complaints_the_end_is_kept(tmp_path: Path) -> None:
    script = (
        "import sys\nprint('x' * 300_000)\n"
        "for n in range(10_000): print(n, file=sys.stderr)\nsys.exit(1)\n"
    )
    history, result = ran(tmp_path, script)
    assert history.complaint[-1] == "9999"
    assert sum(map(len, history.complaint)) < 4096
    assert len(result.notes) == 11


# --- what it is told


def test_steps_that_it_cannot_be_told_are_listed_and_sleep_pauses_its_lines(
    tmp_path: Path,
) -> None:
    history, result = ran(
        tmp_path,
        HONEST,
        workload=[
            {"send": {"wait": True}},
            "flush",
            {"sleep": "20ms"},
            {"send_all": {"count": 2, "value": "binary"}},
            {"with_producer": [{"send": {"cancel_after": "1s"}}, {"leave": "error"}]},
            {"concurrently": [["send"], ["send"]]},
            "close",
        ],
        producer={"linger": "5ms"},
    )
    assert (result.verdict, len(history.records)) == ("valid", 6)
    assert [call.op for call in history.calls] == [
        "connect",
        "send",
        "send_all",
        "send",
        "send",
        "send",
    ]
    assert history.records[1].sent_at - history.records[0].sent_at >= 0.02
    listed = [sentence.partition(":")[0] for sentence in history.not_applicable]
    assert listed == [
        "calls",
        "producer options",
        "flush",
        "wait",
        "close",
        "with_producer",
        "leave",
        "cancel_after",
        "values of any bytes",
        "probe",
    ]


def test_changes_of_the_cluster_happen_between_its_lines(tmp_path: Path) -> None:
    _, result = ran(
        tmp_path,
        HONEST,
        cluster={"spus": 2},
        workload=["send", {"move_leader": {"partition": 0, "to": 1}}, {"sleep": "1ms"}, "send"],
    )
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 2)


# --- values of its own


OWN = changed(
    "async for line in trio.wrap_file(sys.stdin.buffer):", 'for line in [b"one", b"two"]:'
)


def listing(directory: Path, text: str) -> str:
    path = directory / "values.txt"
    path.write_text(text)
    return str(path)


def test_an_application_may_send_values_of_its_own(tmp_path: Path) -> None:
    values = listing(tmp_path, "one\ntwo\n")
    history, result = ran(tmp_path, OWN, values_file=values)
    assert (result.verdict, figures(result)) == ("valid", {"sent": 2, "acknowledged": 2})
    assert f"send: the application sends what {values} lists" in history.not_applicable


def test_of_values_of_its_own_each_is_expected_and_no_other(tmp_path: Path) -> None:
    _, result = ran(tmp_path, OWN, values_file=listing(tmp_path, "one\nthree"), workload=["flush"])
    assert broken(result) == ["acked-is-stored", "no-phantom"]


THREE = changed(
    "async for line in trio.wrap_file(sys.stdin.buffer):",
    'for line in [b"again", b"once", b"again"]:',
)


def with_equal_ones(directory: Path, script: str = THREE, **more: Any) -> Result:
    return ran(directory, script, values_file=listing(directory, "again\nonce\nagain\n"), **more)[1]


def test_of_values_that_are_equal_as_many_are_expected(tmp_path: Path) -> None:
    result = with_equal_ones(tmp_path)
    assert (result.verdict, figures(result)) == ("valid", {"sent": 3, "acknowledged": 3})
    judged = {each.check: each.judged for each in result.findings if each.judged}
    assert judged["acked-is-stored"] == judged["no-phantom"] == 3
    assert judged["order"] == 1


def test_one_copy_too_few_of_a_value_is_a_loss(tmp_path: Path) -> None:
    result = with_equal_ones(tmp_path, THREE.replace('b"once", b"again"', 'b"once"'))
    [finding] = result.broken
    [violation] = finding.violations
    sentence = "2 records with the value b'again' were acknowledged by status 0, but 1 is stored"
    assert violation.text == sentence
    assert figures(result) == {"sent": 3, "acknowledged": 3, "lost": 1}


def test_one_copy_too_many_of_a_value_is_a_duplicate(tmp_path: Path) -> None:
    script = THREE.replace('[b"again",', '[b"again", b"again",')
    result = with_equal_ones(tmp_path, script)
    assert figures(result) == {"sent": 3, "acknowledged": 3, "duplicated": 1}
    result = with_equal_ones(tmp_path, script, always={"duplicated": 0})
    assert broken(result) == ["always"]
    result = with_equal_ones(tmp_path, script, producer={"delivery_semantic": "at-most-once"})
    [finding] = result.broken
    [violation] = finding.violations
    assert violation.text == "2 records with the value b'again' were transmitted 3 times"


def test_a_copy_of_the_network_is_not_transmitted_again(tmp_path: Path) -> None:
    copy = {"duplicate": {"at": "request", "nth": 1}}
    at_most_once = {"delivery_semantic": "at-most-once"}
    result = with_equal_ones(tmp_path, faults=[copy], producer=at_most_once)
    assert (broken(result), figures(result)["duplicated"] > 0) == ([], True)


def test_equal_values_that_are_absent_behind_another_status_are_not_judged(tmp_path: Path) -> None:
    result = with_equal_ones(tmp_path, "import sys\nsys.exit(3)\n")
    [finding] = [each for each in result.findings if each.check == "acked-is-stored"]
    assert (finding.judged, finding.unseen) == (0, {"exit-status": 3})


# --- mistakes


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python 'app.py {address}", "is no command: no closing quotation"),
        ("python app.py", "'python app.py' has no {address} among its arguments"),
        ("", "'' has no {address} among its arguments"),
        ("{address}", "'{address}' has no {address} among its arguments"),
        ("no-such-program {address}", "the program 'no-such-program' does not exist"),
        ("./LICENSE {address}", "the program './LICENSE' is not executable"),
    ],
)
def test_a_mistake_in_a_command_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    (tmp_path / "LICENSE").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        ApplicationOnTrial(command=command)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\nb\n", ":2: a value is empty"),
        ("", ":1: a value is empty"),
    ],
)
def test_a_mistake_in_a_list_of_values_has_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        ApplicationOnTrial(command="sh {address}", values_file=listing(tmp_path, text))
    assert message in str(caught.value)


def test_a_list_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"^nothing\.txt: no such file or directory$"):
        ApplicationOnTrial(command="sh {address}", values_file="nothing.txt")


@pytest.mark.parametrize("seconds", [0.0, TIMEOUT_MAX_S + 1])
def test_the_time_for_its_end_has_a_limit(seconds: float) -> None:
    with pytest.raises(ValueError, match="up to 240 s"):
        ApplicationOnTrial(command="sh {address}", timeout_s=seconds)


def test_a_program_that_is_gone_at_the_start_is_no_verdict(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.write_text("#!/no/such/interpreter\n")
    gone.chmod(0o755)
    application = ApplicationOnTrial(command=f"{gone} {{address}}")
    scenario = Scenario.model_validate({"name": "x", "workload": ["send"]})
    result = judge(run_scenario(scenario, "tcp", application.open))
    assert result.verdict == "inconclusive"
    (reason,) = result.reasons
    assert reason.startswith(f"the client could not be started: {gone} cannot be started: ")


def test_the_time_after_sigterm_is_that_of_the_help() -> None:
    assert TERM_S == 5.0
