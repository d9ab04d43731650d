"""Which connections are those of consumers: by their ports, or by the client id of their frames."""

from dataclasses import replace
from typing import Any

from chaos.consumption import ConsumerDialled
from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import judge
from simulator.events import ConnectionOpened, FrameRead
from tests.chaos.oracle.checks.playing import played
from tests.chaos.oracle.consumptions import delivered_twice

CUT = {"disconnect": {"at": "response", "nth": 1, "match": {"api": "stream-fetch"}}}


def consumed(*steps: Any) -> History:
    return played(CUT, workload=[{"send": {"count": 4}}, "flush", *steps])


def without_ports(history: History) -> History:
    """Return the same run, in which consumers do not tell their ports, as programs do not."""
    return replace(
        history, events=[e for e in history.events if not isinstance(e, ConsumerDialled)]
    )


def test_without_ports_the_same_connections_are_those_of_consumers() -> None:
    history = consumed("consume", {"consume": {"consumer": "b"}})
    by_port, by_client_id = Evidence(history), Evidence(without_ports(history))
    assert by_port.consumers.consumptions == by_client_id.consumers.consumptions
    assert by_port.consumers.hits == by_client_id.consumers.hits
    assert by_port.server_events == by_client_id.server_events
    assert judge(without_ports(history)).verdict == "valid"


def test_what_strikes_one_of_several_consumptions_with_a_name_may_concern_each() -> None:
    history = without_ports(played(CUT, topic={"partitions": 2}, workload=["send", "consume"]))
    found = Evidence(history).consumers
    assert {*found.consumptions.values()} >= {frozenset({0, 1})}
    assert found.hits[0] == found.hits[1] != []


def test_it_does_not_concern_an_earlier_or_later_consumption() -> None:
    found = Evidence(without_ports(consumed("consume", "consume"))).consumers
    assert [*found.hits] == [0]


def test_a_response_that_a_fault_copied_is_excused_without_ports() -> None:
    assert judge(without_ports(delivered_twice())).verdict == "valid"


def test_the_connections_of_the_producer_stay_its_own() -> None:
    evidence = Evidence(without_ports(consumed("consume")))
    assert evidence.events_of(ConnectionOpened)
    assert {e.api for e in evidence.events_of(FrameRead)} >= {"produce", "watch"}
    assert "stream-fetch" not in {e.api for e in evidence.events_of(FrameRead)}


def test_a_port_that_the_producer_used_before_tells_nothing_of_its_connection() -> None:
    history = consumed("consume")
    opened = [e for e in history.events if isinstance(e, ConnectionOpened)]
    dialled = [e for e in history.events if isinstance(e, ConsumerDialled)]
    port, of_producer = dialled[-1].port, next(e for e in opened if e.server == "spu:0")
    again = replace(
        history,
        events=[replace(e, port=port) if e is of_producer else e for e in history.events],
    )
    assert Evidence(again).consumers == Evidence(history).consumers
    assert judge(again) == judge(history)


def test_of_two_connections_without_a_frame_the_nearer_one_was_dialled() -> None:
    history = consumed("consume")
    silent = replace(history, events=[e for e in history.events if not isinstance(e, FrameRead)])
    (first, *_, last) = (e for e in silent.events if isinstance(e, ConnectionOpened))
    same_port = replace(
        silent, events=[replace(e, port=last.port) if e is first else e for e in silent.events]
    )
    assert Evidence(same_port).consumers == Evidence(silent).consumers
    assert last.connection in Evidence(silent).consumers.consumptions


def test_a_dial_that_no_server_accepted_takes_no_connection_of_the_producer() -> None:
    history = consumed("consume")
    of_producer = next(e for e in history.events if isinstance(e, ConnectionOpened))
    unheard = ConsumerDialled(t=of_producer.t + 1, consumption=0, port=of_producer.port)
    assert judge(replace(history, events=[*history.events, unheard])) == judge(history)
