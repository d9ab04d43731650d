"""Known defects: an exploration counts them and goes on to the rest."""

import re
from pathlib import Path

import pytest

from chaos.cli.files import gather
from chaos.cli.trial import TITLES
from chaos.mutants import MUTANTS
from chaos.oracle.checks import Finding
from chaos.runner import run_scenario
from chaos.search.counterexample import Stage
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.search.known import KNOWN_FILES, KnownDefect, KnownFileError, load_known
from chaos.spec.loader import load_scenario_file, parse_scenario
from producer.delivery.semantics import DeliverySemantic, RetryPolicy
from simulator.events import FaultHit

OFFICIAL = Path(__file__).parents[3] / "scenarios" / "official-client"

PROPERTY = """
name: what a client of at-most-once must bear
worlds: [virtual]
producer: {delivery_semantic: at-most-once}
faults:
  - some:
      - drop: {at: response, probability: 0.1..0.5}
      - error: {at: request, code: StorageError, probability: 0.1..0.5}
workload:
  - send: {count: 1..10, wait: true}
"""

RESENDS = KnownDefect.model_validate(
    {
        "name": "sends again what was not answered",
        "check": ["no-duplicates"],
        "cause": {"effects": ["not-answered"], "at": "response"},
    }
)


def explored(*known: KnownDefect, examples: int = 48) -> Exploration:
    prop = parse_scenario(PROPERTY, "bears.yaml")
    return explore(prop, examples=examples, stage=Stage(known=known))


def retry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    again = RetryPolicy(max_retries=1, timeout=5)
    monkeypatch.setattr(DeliverySemantic, "at_most_once", lambda: DeliverySemantic(again))


def test_a_known_defect_is_counted_and_the_exploration_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retry_once(monkeypatch)
    assert explored().verdict == "invalid"
    found = explored(RESENDS, KnownDefect.model_validate(
        {
            "name": "sends again what was refused",
            "check": "no-duplicates",
            "cause": {"effects": ["answered-with-code"], "codes": ["StorageError"]},
        }
    ))  # fmt: skip
    assert (found.verdict, found.examples) == ("valid", 48)
    assert set(found.known) == {RESENDS.name, "sends again what was refused"}
    assert found.known[RESENDS.name] > 5


def test_what_is_not_known_is_found_and_shrunk_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_once(monkeypatch)
    found = explored(RESENDS)
    assert found.verdict == "invalid"
    assert found.counterexample is not None
    (fault,) = found.counterexample.data["faults"]
    assert list(fault) == ["error"]


def test_a_saved_counterexample_that_has_become_known_does_not_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retry_once(monkeypatch)
    data = {
        "name": "saved",
        "producer": {"delivery_semantic": "at-most-once"},
        "faults": [{"drop": {"at": "response", "nth": 1}}],
        "workload": ["send", "wait"],
        "seed": 0,
    }
    prop = parse_scenario("name: calm\nworkload: [send, flush]\nseed: 1", "calm.yaml")
    assert explore(prop, saved=[data]).verdict == "invalid"
    assert explore(prop, saved=[data], stage=Stage(known=(RESENDS,))).verdict == "valid"


@pytest.mark.parametrize(
    "change", [{"at": "request"}, {"api": "fetch"}, {"effects": ["late"]}, {"codes": ["Other"]}]
)
def test_another_cause_does_not_explain(
    change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    retry_once(monkeypatch)
    data = RESENDS.model_dump()
    other = KnownDefect.model_validate({**data, "cause": {**data["cause"], **change}})
    assert explored(other).verdict == "invalid"


def test_another_check_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_once(monkeypatch)
    other = RESENDS.model_copy(update={"check": ("order",)})
    assert explored(other).verdict == "invalid"


HANGS = """
name: connections that end
worlds: [virtual]
producer: {delivery_semantic: at-most-once}
faults:
  - some: [disconnect: {at: response, probability: 0.1..0.5}]
workload:
  - send: {count: 1..5}
  - wait
"""


def test_exploring_goes_on_past_a_client_that_hangs() -> None:
    prop = parse_scenario(HANGS, "hangs.yaml")
    known = load_known(OFFICIAL / "known.fluvio.yaml")
    with MUTANTS["wait-hangs-after-a-reset"].applied():
        assert explore(prop, examples=16).failed_checks == ("bounded",)
        found = explore(prop, examples=48, stage=Stage(known=known))
    assert (found.verdict, found.examples) == ("valid", 48)
    assert found.known["under at-most-once a missing answer is awaited for ever"] > 5


# --- the file

PAGE = Path(__file__).parents[3] / "docs" / "official-client.md"
INEXPRESSIBLE = {"leader-moves-in-flight"}
"""Its cause is a step; the fault makes room for it."""


@pytest.mark.parametrize("client", TITLES)
@pytest.mark.parametrize(
    "file",
    [file for file in OFFICIAL.glob("*.yaml") if not file.match(KNOWN_FILES)],
    ids=lambda file: file.stem,
)
def test_every_promise_that_a_fault_makes_an_official_client_break_is_known(
    file: Path, client: str
) -> None:
    """The page has the promises; the faults strike our producer just so."""
    scenario = load_scenario_file(file).scenario()
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    (verdict,) = [
        row[rows[0].index(TITLES[client])]
        for row in rows
        if row[0].startswith(f"| [{scenario.name}](")
    ]
    hits = [event for event in run_scenario(scenario).events if isinstance(event, FaultHit)]
    for check in re.findall("`(.*?)`", verdict) if hits else ():
        explained = any(
            each.explains(Finding(check, judged=1, count=1), hits)
            for each in load_known(OFFICIAL / f"known.{client}.yaml")
        )
        assert explained == (file.stem not in INEXPRESSIBLE)


@pytest.mark.parametrize("client", TITLES)
def test_the_known_defects_of_an_official_client_are_valid_and_no_scenario(client: str) -> None:
    assert len(load_known(OFFICIAL / f"known.{client}.yaml")) >= 5
    sources, mistakes = gather([str(OFFICIAL)])
    assert sources
    assert not mistakes
    assert not any(Path(source.file).match(KNOWN_FILES) for source in sources)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("known: 5", "1:1: known: 5 is not a list"),
        ("[]", "1:1: a list is no list of known defects; write known: and the list"),
        (
            "known: [{name: x, check: no-los, cause: {effects: [late]}}]",
            "1:19: known[0].check: unknown check 'no-los'; did you mean 'no-loss'?",
        ),
        (
            "known: [{name: x, check: order, cause: {effects: [alte]}}]",
            "1:51: known[0].cause.effects[0]: unknown effect 'alte'; did you mean 'late'?",
        ),
        (
            "known: [{name: x, check: order, cause: {at: noon, effects: [late]}}]",
            "1:41: known[0].cause.at: 'noon' is not known; write one of request, response",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "known.yaml"
    file.write_text(text)
    with pytest.raises(KnownFileError) as caught:
        load_known(file)
    assert caught.value.lines == [f"{file}:{line}"]


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KnownFileError, match="cannot be read"):
        load_known(tmp_path / "known.yaml")
