import json
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.faults.distributions import Uniform
from simulator.faults.effects import CutPoint, Effect, Forgery
from simulator.faults.fault_list import FaultList, with_names
from simulator.faults.kinds.corrupt import Corrupt
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import OPEN_CODES, Error, ErrorName
from simulator.faults.kinds.forge import Forge
from simulator.faults.kinds.refuse import Refuse
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import FAULTS, Fault, Match, Placed
from simulator.handlers.codes import code_of
from wire.api import APIS
from wire.error_code import certainly_not_stored, name_of

_ADAPTER: TypeAdapter[list[Fault]] = TypeAdapter(FaultList)


def _read(*written: Any) -> list[Fault]:
    return _ADAPTER.validate_python(list(written))


def _mistakes(*written: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        _read(*written)
    return [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in caught.value.errors()]


def _mistake(written: Any) -> tuple[tuple[str | int, ...], str]:
    [(where, text)] = _mistakes(written)
    assert where[0] == 0
    return where[1:], text


# --- the forms


def test_the_kinds_are_those_of_the_contract() -> None:
    contract = (
        "delay",
        "drop",
        "duplicate",
        "corrupt",
        "disconnect",
        "stall",
        "error",
        "forge",
        "refuse",
    )
    assert tuple(FAULTS)[: len(contract)] == contract


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_is_a_mapping_with_one_key(kind: str) -> None:
    [fault] = _read({kind: dict(FAULTS[kind].example)})
    assert fault.kind == kind
    assert fault.name == f"{kind}-1"


def test_a_kind_alone_means_its_defaults() -> None:
    assert _read("stall", {"stall": {"name": "x"}}) == [Stall(name="stall-1"), Stall(name="x")]


def test_the_example_of_the_contract_is_read() -> None:
    [fault] = _read(
        {
            "drop": {
                "name": "lost-answer",
                "at": "response",
                "nth": 1,
                "match": {"api": "produce", "partition": 0},
            }
        }
    )
    assert fault == Drop(name="lost-answer", at="response", nth=1, match=Match(partition=0))


def test_faults_made_in_python_pass_as_they_are() -> None:
    drop = Drop(name="a", probability=0.5)
    assert _read(drop, "stall") == [drop, Stall(name="stall-2")]


@pytest.mark.parametrize("kind", [Drop, Duplicate, Disconnect, Stall])
def test_the_defaults_are_every_produce_exchange_at_both_cut_points(
    kind: type[Drop | Duplicate | Disconnect | Stall],
) -> None:
    fault = kind()
    assert (fault.at, fault.match.api, fault.empty) == ("both", "produce", False)
    triggers = (fault.probability, fault.nth, fault.every, fault.between, fault.limit)
    assert triggers == (None,) * 5


def test_the_fields_of_their_own_are_read() -> None:
    delay, disconnect, error, refuse = _read(
        {"delay": {"by": {"uniform": ["1ms", "2ms"]}}},
        {"disconnect": {"how": "half-close", "after_bytes": "1KiB"}},
        {"error": {"code": "NotLeaderForPartition", "at": "request"}},
        {"refuse": {"server": "spu:2", "how": "hang", "between": ["0s", "1500ms"]}},
    )
    assert isinstance(delay, Delay)
    assert delay.by == Uniform(uniform=("1ms", "2ms"))
    assert isinstance(disconnect, Disconnect)
    assert (disconnect.how, disconnect.after_bytes) == ("half-close", 1024)
    assert isinstance(error, Error)
    assert error.code == "NotLeaderForPartition"
    assert isinstance(refuse, Refuse)
    assert (refuse.server, refuse.how, refuse.between) == ("spu:2", "hang", (0.0, 1.5))


def test_nth_is_a_number_or_a_list() -> None:
    assert Drop(nth=2).nth == (2,)
    assert Drop(nth=[1, 3]).nth == (1, 3)


def test_a_fault_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Drop().limit = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("server", "sc", "spu_0", "spu_1"),
    [
        ("sc", True, False, False),
        ("spu", False, True, True),
        ("spu:1", False, False, True),
        ("spu:11", False, False, False),
    ],
)
def test_refuse_covers_the_servers_that_it_names(
    server: str, sc: bool, spu_0: bool, spu_1: bool
) -> None:
    refuse = Refuse(server=server)
    assert (refuse.covers(None), refuse.covers(0), refuse.covers(1)) == (sc, spu_0, spu_1)


# --- names


def test_unnamed_faults_are_named_by_kind_and_position() -> None:
    names = [
        fault.name for fault in with_names([Drop(), Stall(name="x"), Drop(), Refuse(server="sc")])
    ]
    assert names == ["drop-1", "x", "drop-3", "refuse-4"]


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="2 faults are named 'x'; give each a unique name"):
        with_names([Drop(name="x"), Stall(name="x")])


def test_a_name_that_another_fault_has_is_located() -> None:
    found = _mistakes({"drop": {"name": "a"}}, "stall", {"stall": {"name": "a"}})
    text = "the name 'a' is taken by fault 1 of this list; write another name"
    assert found == [((2, "stall", "name"), text)]


def test_a_name_that_an_unnamed_fault_gets_is_taken() -> None:
    [(where, text)] = _mistakes({"stall": {"name": "drop-2"}}, "drop")
    assert where == (1,)
    assert text.startswith("the name 'drop-2' is taken by fault 1")


# --- mistakes

_CERTAIN = (
    "at: response allows only codes that leave the outcome open (RequestTimedOut, StorageError,"
    " PartitionFull, PartitionShortCircuited, UnknownServerError, Other); write at: request"
)


@pytest.mark.parametrize(
    ("written", "where", "text"),
    [
        ("dorp", (), "unknown kind 'dorp'; did you mean 'drop'?"),
        ({"dorp": {}}, (), "unknown kind 'dorp'; did you mean 'drop'?"),
        (5, (), "5 is not a fault; write one of delay, drop, "),
        ({}, (), "a fault is one kind with its fields below it, but this one is empty"),
        ({"drop": None, "nth": 1}, (), "but this one has 2 keys: 'drop, nth'; indent the fields"),
        ({"drop": None}, (), "drop has no fields below it; for its defaults write drop: {}"),
        ({"drop": {"probabilty": 1}}, ("drop", "probabilty"), "did you mean 'probability'?"),
        ({"drop": {"zzz": 1}}, ("drop", "zzz"), "unknown key 'zzz'; write one of name, optional, "),
        ({"drop": {"kind": "stall"}}, ("drop", "kind"), "unknown key 'kind'"),
        ({"drop": {"probability": 1.5}}, ("drop", "probability"), "1.5 is outside 0..1"),
        ({"drop": {"nth": 0}}, ("drop", "nth"), "0 is not a whole number of at least 1"),
        ({"drop": {"nth": [1, "2"]}}, ("drop", "nth"), "'2' is not a whole number of at least 1"),
        ({"drop": {"nth": []}}, ("drop", "nth"), "an empty list never fires; write the ordinals"),
        ({"drop": {"every": 0}}, ("drop", "every"), "0 is not a whole number of at least 1"),
        ({"drop": {"limit": 0}}, ("drop", "limit"), "0 is not a whole number of at least 1"),
        ({"drop": {"between": "1s"}}, ("drop", "between"), "'1s' is not a window; write [start"),
        ({"drop": {"between": ["1s", "1s"]}}, ("drop", "between"), "ends before it starts"),
        ({"drop": {"between": ["1s", 3]}}, ("drop", "between", 1), "3 is not a duration"),
        (
            {"drop": {"nth": 1, "probability": 0.5}},
            ("drop", "nth"),
            "a fault has at most one trigger; remove nth or probability",
        ),
        (
            {"drop": {"nth": 1, "probability": 0.5, "every": 2}},
            ("drop", "nth"),
            "a fault has at most one trigger; remove nth and every or probability",
        ),
        (
            {"drop": {"match": {"topik": "x"}}},
            ("drop", "match", "topik"),
            "unknown key 'topik'; did you mean 'topic'?",
        ),
        ({"drop": {"match": {"spu": -1}}}, ("drop", "match", "spu"), "-1 is not a whole number"),
        (
            {"drop": {"match": {"connection": 0}}},
            ("drop", "match", "connection"),
            "0 is not a whole number of at least 1",
        ),
        (
            {"drop": {"match": {"api": "list", "topic": "x"}}},
            ("drop", "match", "topic"),
            "list requests name no partitions; remove topic",
        ),
        ({"disconnect": {"after_bytes": -1}}, ("disconnect", "after_bytes"), "-1 is not a size"),
        (
            {"disconnect": {"at": "request", "after_bytes": 3}},
            ("disconnect", "after_bytes"),
            "at: request has no response to cut; write at: response or remove after_bytes",
        ),
        ({"error": {"code": "NotLeaderForPartition"}}, ("error", "code"), _CERTAIN),
        ({"error": {"code": "PermissionDenied", "at": "both"}}, ("error", "at"), _CERTAIN),
        ({"error": {"code": "MessageTooLarge", "at": "response"}}, ("error", "at"), _CERTAIN),
        (
            {"error": {"code": "Other", "match": {"api": "watch"}}},
            ("error", "match", "api"),
            "watch has no field for an error code; write one of produce, fetch, stream-fetch,"
            " create, delete, fetch-offsets",
        ),
        (
            {"error": {"code": "Other", "match": {"api": "all"}}},
            ("error", "match", "api"),
            "all has no field for an error code",
        ),
        (
            {"error": {"code": "Other", "empty": True}},
            ("error", "empty"),
            "a request without partitions has no field for an error code; remove empty",
        ),
        (
            {"corrupt": {"match": {"api": "watch"}}},
            ("corrupt", "match", "api"),
            "watch carries no records; write one of produce, fetch",
        ),
        ({"corrupt": {"match": {"api": "all"}}}, ("corrupt", "match", "api"), "all carries no"),
        (
            {"corrupt": {"at": "request", "match": {"api": "fetch"}}},
            ("corrupt", "at"),
            "a fetch request carries no records to alter; write at: response",
        ),
        (
            {"corrupt": {"empty": True}},
            ("corrupt", "empty"),
            "carries no records to corrupt; remove",
        ),
        (
            {"forge": {"what": "topic", "at": "request"}},
            ("forge", "at"),
            "a request is not forged; write at: response",
        ),
        (
            {"forge": {"what": "topic", "match": {"api": "watch"}}},
            ("forge", "match", "api"),
            "watch carries no records; write one of produce, fetch",
        ),
        (
            {"forge": {"what": "topic", "empty": True}},
            ("forge", "empty"),
            "records to forge; remove",
        ),
        ({"refuse": {"server": "spu:x"}}, ("refuse", "server"), "'spu:x' is not a server; write"),
        ({"refuse": {"server": "spu:01"}}, ("refuse", "server"), "'spu:01' is not a server"),
        ({"refuse": {"server": "sc", "at": "request"}}, ("refuse", "at"), "unknown key 'at'; "),
        ({"refuse": {"server": "sc", "nth": 1}}, ("refuse", "nth"), "a closed listener counts no"),
        ({"refuse": {"server": "sc", "match": {}}}, ("refuse", "match"), "unknown key 'match'"),
    ],
)
def test_a_mistake_is_one_clear_line(written: Any, where: tuple[str | int, ...], text: str) -> None:
    found_where, found_text = _mistake(written)
    assert found_where == where
    assert text in found_text
    assert "\n" not in found_text


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("delay", ("delay", "by")),
        ({"error": {}}, ("error", "code")),
        ({"refuse": {}}, ("refuse", "server")),
    ],
)
def test_what_a_kind_needs_cannot_be_left_out(written: Any, where: tuple[str, ...]) -> None:
    assert _mistake(written) == (where, "Field required")


@pytest.mark.parametrize(
    "fields",
    [{"at": "before"}, {"how": "reset"}, {"empty": "yes"}, {"name": ""}, {"name": 5}, {"match": 1}],
)
def test_a_value_of_the_wrong_kind_is_refused(fields: dict[str, Any]) -> None:
    [(where, _)] = _mistakes({"disconnect": fields})
    assert where == (0, "disconnect", *fields)


def test_all_mistakes_of_a_fault_are_found_at_once() -> None:
    found = _mistakes(
        {"drop": {"probability": 2, "nth": 0, "evry": 1, "match": {"partition": "a", "x": 1}}},
        "stal",
    )
    assert {where for where, _ in found} == {
        (0, "drop", "probability"),
        (0, "drop", "nth"),
        (0, "drop", "evry"),
        (0, "drop", "match", "partition"),
        (0, "drop", "match", "x"),
        (1,),
    }
    assert len(found) == 7, "two triggers at nth, besides its value"


def test_after_bytes_may_stand_with_both_cut_points() -> None:
    assert Disconnect(after_bytes=3).after_bytes == 3
    assert Disconnect(at="response", after_bytes=3).at == "response"


# --- the words that others define


@pytest.mark.parametrize("api", [*APIS, "all"])
def test_every_api_of_the_wire_can_be_matched(api: str) -> None:
    assert Match(api=api).api == api


def test_an_api_that_the_wire_does_not_have_is_named() -> None:
    where, text = _mistake({"drop": {"match": {"api": "prduce"}}})
    assert where == ("drop", "match", "api")
    assert text == "unknown word 'prduce'; did you mean 'produce'?"


@pytest.mark.parametrize("code", get_args(ErrorName))
def test_every_code_exists_on_the_wire(code: str) -> None:
    error = code_of(code, None, None)
    assert name_of(error) == code


@pytest.mark.parametrize("code", OPEN_CODES)
def test_open_codes_never_say_that_nothing_is_stored(code: str) -> None:
    assert not certainly_not_stored(code_of(code, None, None), read_committed=False)
    assert Error(code=code).at == "both"


@pytest.mark.parametrize("code", sorted(set(get_args(ErrorName)) - set(OPEN_CODES)))
def test_other_codes_are_for_requests_only(code: str) -> None:
    assert Error(code=code, at="request").code == code
    with pytest.raises(ValidationError):
        Error(code=code, at="response")


# --- what is generated from the models


def test_the_schema_describes_every_kind_and_field() -> None:
    schema = _ADAPTER.json_schema()
    for kind in FAULTS.values():
        described = schema["$defs"][kind.__name__]
        text = " ".join(described["description"].split())
        assert "It models" in text
        assert "Not realistic" in text
        assert described["additionalProperties"] is False
        for name, field in described["properties"].items():
            assert field.get("description"), f"{kind.__name__}.{name}"


def test_the_schema_has_the_form_of_yaml() -> None:
    forms = _ADAPTER.json_schema()["items"]["oneOf"]
    assert [form["anyOf"][0]["const"] for form in forms] == list(FAULTS)
    assert forms[1]["anyOf"][1]["properties"] == {"drop": {"$ref": "#/$defs/Drop"}}
    assert json.dumps(forms)


def test_what_is_terminal_decides_what_becomes_of_a_frame() -> None:
    placed = [kind for kind in FAULTS.values() if issubclass(kind, Placed)]
    lets_through = {Delay, Duplicate, Corrupt, Forge}
    for kind in placed:
        fault = kind.made()
        for at in fault.cut_points:
            assert fault.action(at).terminal is (kind not in lets_through)


_E = Effect


@pytest.mark.parametrize(
    ("fault", "request_effects", "response_effects"),
    [
        (Delay(by="1ms"), {_E.LATE}, {_E.LATE}),
        (Drop(), {_E.NOT_APPLIED, _E.NOT_ANSWERED}, {_E.NOT_ANSWERED}),
        (Duplicate(), {_E.REPEATED}, {_E.REPEATED}),
        (Corrupt(), {_E.ALTERS_BYTES}, {_E.ALTERS_BYTES}),
        (
            Disconnect(how="rst"),
            {_E.NOT_APPLIED, _E.NOT_ANSWERED, _E.ENDS_CONNECTION, _E.HIDES_ATTEMPTS},
            {_E.NOT_ANSWERED, _E.ENDS_CONNECTION, _E.HIDES_ATTEMPTS},
        ),
        (
            Disconnect(how="half-close"),
            {_E.NOT_ANSWERED, _E.ENDS_CONNECTION, _E.HIDES_ATTEMPTS},
            {_E.NOT_ANSWERED, _E.ENDS_CONNECTION, _E.HIDES_ATTEMPTS},
        ),
        (
            Stall(),
            {_E.NOT_APPLIED, _E.NOT_ANSWERED, _E.SILENCES, _E.HIDES_ATTEMPTS},
            {_E.NOT_ANSWERED, _E.SILENCES},
        ),
        (Error(code="Other"), {_E.NOT_APPLIED, _E.ANSWERED_WITH_CODE}, {_E.ANSWERED_WITH_CODE}),
    ],
)
def test_each_kind_has_its_effects_at_each_cut_point(
    fault: Placed, request_effects: set[Effect], response_effects: set[Effect]
) -> None:
    assert set(fault.effects(CutPoint.REQUEST)) == request_effects
    assert set(fault.effects(CutPoint.RESPONSE)) == response_effects


@pytest.mark.parametrize("what", get_args(Forgery))
def test_a_forged_answer_is_no_answer_if_no_request_waits_for_it(what: Forgery) -> None:
    fault = Forge(what=what)
    missing = {_E.NOT_ANSWERED} if what == "correlation-id" else set()
    assert fault.cut_points == (CutPoint.RESPONSE,)
    assert set(fault.effects(CutPoint.RESPONSE)) == {_E.FORGES_ANSWER} | missing


@pytest.mark.parametrize(
    ("how", "effect"),
    [("refuse", _E.HIDES_ATTEMPTS), ("rst", _E.ENDS_CONNECTION), ("hang", _E.SILENCES)],
)
def test_a_refusal_has_one_effect_on_a_connect(how: str, effect: Effect) -> None:
    assert Refuse(server="sc", how=how).effects == (effect,)
