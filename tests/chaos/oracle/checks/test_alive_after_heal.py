"""``alive-after-heal``: once all faults are lifted, the producer works."""

from chaos.oracle.checks import alive_after_heal
from simulator.events import ConnectRefused, FaultHit
from tests.chaos.oracle.checks.playing import judged, played, said, without

SILENCE = {"drop": {"at": "request", "every": 1}}
THREE = {"topic": {"partitions": 3}}


def test_one_probe_for_each_partition_is_looked_at() -> None:
    history = played(SILENCE, **THREE)
    assert (said(alive_after_heal, history), judged(alive_after_heal, history)) == ([], 3)


def test_a_probe_that_was_not_acknowledged_is_reported_with_its_error() -> None:
    history = played()
    probe = history.records[-1]
    probe.outcome, probe.error = "unknown", "no answer"
    assert said(alive_after_heal, history) == [
        "probe 3, sent at 5.001 s after the cluster had healed at 0.001 s, was not acknowledged: "
        "no answer"
    ]
    probe.error = None
    assert said(alive_after_heal, history)[0].endswith("the client reported no outcome")


def test_an_attempt_shorter_than_the_network_latency_is_not_judged() -> None:
    history = played(network={"latency": "300ms"}, producer={"attempt_timeout": "1s"})
    assert not any(record.outcome == "ok" for record in history.records)
    assert (said(alive_after_heal, history), judged(alive_after_heal, history)) == ([], 0)


def test_only_a_client_without_news_of_the_leader_is_excused() -> None:
    gone = ["send", "wait", "stop_spu", {"sleep": "1ms"}]
    asked_anew = [*gone, "send", "wait", "start_spu"]
    silent_sc = {"drop": {"at": "response", "match": {"api": "watch"}, "between": ["3s", "99s"]}}
    history = played(
        silent_sc,
        workload=[*asked_anew, {"sleep": "4s"}, {"move_leader": {"to": 1}}],
        cluster={"spus": 2},
        producer={"retry": {"max_retries": 0}, "attempt_timeout": "1s"},
    )
    assert "NotLeaderForPartition" in (history.records[-1].error or "")
    assert said(alive_after_heal, history) == []
    heard = without(history, lambda event: isinstance(event, FaultHit | ConnectRefused))
    assert "NotLeaderForPartition" in said(alive_after_heal, heard)[0]
