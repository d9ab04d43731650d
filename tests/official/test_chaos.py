"""``python -m chaos``: what it counts, what it says and how it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import simulator
from chaos.official import value_of
from chaos.stored import FETCH_BYTES_MAX, read_log
from chaos.tally import Outcome, Tally, Verdict, tally
from tests.simulator.client import Client
from wire.batch import Record
from wire.codec import WireError

RUN_S = 30.0
"""A run bounds itself; this is for one that does not."""


def log_of(*numbers: int) -> list[Record]:
    """A log that holds these records at the offsets 0, 1, 2 and so on."""
    return [Record(b"", value_of(n), 0, offset) for offset, n in enumerate(numbers)]


def counted(
    outcomes: list[Outcome], log: list[Record], *, wanted: int | None = None, fired: int = 1
) -> Tally:
    return tally(wanted or len(outcomes), outcomes, log, fired, faulty=True)


# --- what it counts


def test_no_two_records_are_alike() -> None:
    assert len({value_of(n) for n in range(1000)}) == 1000


def test_a_record_where_the_client_was_told_is_not_missing() -> None:
    found = counted([Outcome(1, offset=0), Outcome(2, offset=1)], log_of(1, 2))
    assert found.verdict is Verdict.VALID
    assert (found.acknowledged, found.records, found.copies, found.duplicated) == (2, 2, 2, 0)


def test_an_acknowledged_record_that_is_not_there_breaks_the_promise() -> None:
    found = counted([Outcome(1, offset=0), Outcome(2, offset=1)], log_of(1))
    assert found.missing == [2]
    assert found.verdict is Verdict.INVALID
    assert "not where the client was told: 2." in " ".join(found.sentences())


def test_an_acknowledged_record_at_another_offset_breaks_the_promise() -> None:
    assert counted([Outcome(1, offset=1), Outcome(2, offset=0)], log_of(1, 2)).missing == [1, 2]


def test_copies_are_told_apart_from_records() -> None:
    found = counted([Outcome(1, offset=2), Outcome(2, offset=3)], log_of(1, 1, 1, 2), fired=2)
    assert (found.records, found.copies, found.duplicated) == (2, 4, 1)
    assert found.verdict is Verdict.VALID
    assert "1 record is stored more than once" in " ".join(found.sentences())


def test_what_the_client_was_not_told_is_no_loss() -> None:
    found = counted([Outcome(1, error="why"), Outcome(2), Outcome(3, offset=1)], log_of(1, 3))
    assert (found.failed, found.unsettled, found.unacknowledged_stored) == (1, 1, 1)
    assert found.verdict is Verdict.VALID
    assert "2 records were not acknowledged; stored all the same: 1." in found.sentences()


def test_records_that_were_not_sent_in_time_are_mentioned() -> None:
    found = counted([Outcome(1, offset=0)], log_of(1), wanted=3)
    assert "The time was over before 2 more could be sent." in found.sentences()


def test_a_run_without_an_acknowledgement_is_inconclusive() -> None:
    assert counted([Outcome(1, error="why")], log_of(1)).verdict is Verdict.INCONCLUSIVE


def test_a_run_whose_fault_never_fired_is_inconclusive() -> None:
    found = counted([Outcome(1, offset=0)], log_of(1), fired=0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "Inconclusive: no fault fired." in found.sentences()


# --- reading the log back


async def test_a_log_is_read_back_in_as_many_answers_as_it_takes() -> None:
    values = [bytes([n]) * (FETCH_BYTES_MAX // 2) for n in range(5)]
    async with simulator.open_simulator() as sim:
        host, _, port = sim.spu_addresses[0].rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            producer = await Client(stream).hello()
            for value in values:
                await producer.produce("greetings", 0, value)
        found = await read_log(sim.spu_addresses[0], "greetings", 0)
        assert found == sim.log("greetings", 0)
        assert [record.value for record in found] == values


async def test_a_log_that_is_not_there_cannot_be_read() -> None:
    async with simulator.open_simulator() as sim:
        with pytest.raises(WireError, match="elsewhere/0 cannot be read"):
            await read_log(sim.spu_addresses[0], "elsewhere", 0)


# --- the command


async def chaos(*options: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run it; the exit status, what it said and what it complained of."""
    with trio.fail_after(RUN_S):
        done = await trio.run_process(
            [sys.executable, "-m", "chaos", *options],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=cwd,
            deliver_cancel=_kill,
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def _kill(process: subprocess.Popen[bytes] | trio.Process) -> None:
    process.kill()


def figures(text: str) -> dict[str, int]:
    """The table of a run."""
    rows = [line.rsplit(None, 1) for line in text.splitlines() if line.rstrip()[-1:].isdigit()]
    return {what.strip(): int(count) for what, count in rows if not what.startswith("seed")}


@pytest.mark.official
async def test_a_lost_answer_is_counted_as_a_duplicate_and_not_as_a_loss() -> None:
    status, out, err = await chaos("--seed", "31", "--records", "4")
    assert (status, err) == (0, "")
    first, *_ = out.splitlines()
    assert first == "seed 31; the same again: python -m chaos --seed 31 --records 4"
    assert figures(out) == {
        "records sent": 4,
        "acknowledged": 4,
        "reported failed": 0,
        "unsettled": 0,
        "stored, records": 4,
        "stored, copies": 5,
        "duplicated": 1,
        "lost although acknowledged": 0,
        "faults fired": 1,
    }
    assert "1 answer was lost after the record was stored" in out


@pytest.mark.official
async def test_a_client_that_is_never_answered_is_given_up() -> None:
    status, out, _ = await chaos("--drop", "1", "--records", "1")
    assert status == 2
    assert figures(out)["unsettled"] == 1
    assert "Inconclusive: nothing was acknowledged." in out


async def test_without_faults_every_record_is_stored_once() -> None:
    status, out, err = await chaos("--drop", "0", "--records", "20")
    assert (status, err) == (0, "")
    assert figures(out)["acknowledged"] == 20
    assert figures(out)["stored, copies"] == 20


async def test_a_client_that_claims_what_is_not_stored_breaks_the_promise(tmp_path: Path) -> None:
    # A stand-in for the official client that acknowledges and sends nothing.
    (tmp_path / "fluvio.py").write_text(
        "class Liar:\n"
        "    def __getattr__(self, name): return lambda *given: self\n"
        "    def offset(self): return 0\n"
        "Fluvio = FluvioConfig = Liar()\n"
        "FluviorError = Exception\n"
    )
    status, out, _ = await chaos("--drop", "0", "--records", "2", cwd=tmp_path)
    assert status == 1
    assert figures(out)["lost although acknowledged"] == 2
    assert "Broken: acknowledged, and not where the client was told: 1, 2." in out


async def test_a_client_that_does_not_connect_is_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "fluvio.py").write_text("raise ImportError('made for another machine')\n")
    status, _, err = await chaos("--records", "2", cwd=tmp_path)
    assert status == 2
    assert err == (
        "chaos: inconclusive: the official client did not connect: "
        "ImportError: made for another machine\n"
    )


async def test_a_simulator_that_does_not_start_is_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "simulator.py").write_text("raise SystemExit('simulator: no port is free')\n")
    status, _, err = await chaos(cwd=tmp_path)
    assert status == 2
    assert err == ("chaos: inconclusive: the simulator did not start: simulator: no port is free\n")


async def test_an_interrupt_ends_it_at_once() -> None:
    with trio.fail_after(RUN_S):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "chaos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        async with process.stdout, process.stderr:
            assert (await process.stdout.receive_some()).startswith(b"seed 7")
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
            assert (await process.stderr.receive_some()).strip() == b"", "no traceback"


@pytest.mark.parametrize("options", [["--drop", "1.5"], ["--records", "0"], ["--sed", "7"]])
async def test_a_mistake_on_the_command_line_is_one_line(options: list[str]) -> None:
    status, out, err = await chaos(*options)
    assert (status, out) == (2, "")
    assert err.startswith("chaos: ")
    assert err.count("\n") == 1
