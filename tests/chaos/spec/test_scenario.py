"""The scenario models without files."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaos.spec.scenario import (
    BYTES_MAX,
    RECORDS_MAX,
    NetworkOptions,
    ProducerOptions,
    Scenario,
)
from chaos.spec.step import STEPS, every_step
from chaos.spec.steps.move_leader import MoveLeader
from chaos.spec.steps.send import Send
from chaos.spec.steps.sleep import Sleep
from chaos.spec.steps.wait import Wait
from simulator.cluster.cluster import Cluster, ClusterError, topic_of
from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Match
from wire.topic_name import SYSTEM_TOPIC

LEAST: dict[str, Any] = {"name": "x", "workload": ["flush"]}


def _mistakes(data: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(data)
    return [str(found["ctx"]["error"]) for found in caught.value.errors() if "ctx" in found]


def test_absent_keys_have_the_documented_defaults() -> None:
    scenario = Scenario.model_validate(LEAST)
    assert scenario.worlds == ["virtual", "tcp"]
    assert (scenario.cluster.spus, scenario.topic.name, scenario.topic.partitions) == (
        1,
        "greetings",
        1,
    )
    assert (scenario.faults, scenario.seed, scenario.examples, scenario.slow) == ([], 0, 200, False)
    assert scenario.producer == ProducerOptions()
    assert scenario.producer.retries
    assert not ProducerOptions(delivery_semantic="at-most-once").retries


def test_a_scenario_can_be_made_of_models_too() -> None:
    data = {"name": "x", "faults": [Drop(nth=3)], "workload": [Send(count=3), Sleep("1s")]}
    made = Scenario.model_validate(data)
    assert [fault.name for fault in made.faults] == ["drop-1"]
    first, second = made.workload
    assert (first, second) == (Send(count=3), Sleep("1s"))


@pytest.mark.parametrize("kind", [k for k, step in STEPS.items() if step.example == {}])
def test_a_step_is_its_word_or_its_word_with_keys(kind: str) -> None:
    scenario = Scenario.model_validate({"name": "x", "workload": [kind, {kind: {}}]})
    assert scenario.workload[0] == scenario.workload[1] == STEPS[kind]()


def test_steps_inside_steps_are_read_and_written_like_all_others() -> None:
    workload = [
        {"send": {"count": 2, "cancel_after": "5ms"}},
        {"concurrently": [["send", {"wait": [2, 0]}], [{"with_producer": ["send", "flush"]}]]},
        {"wait": {"ids": [3, 0, 0], "cancel_after": "1ms"}},
    ]
    scenario = Scenario.model_validate({"name": "x", "workload": workload})
    kinds = [step.kind for step in every_step(scenario.workload)]
    inner = ["send", "wait", "with_producer", "send", "flush"]
    assert kinds == ["send", "concurrently", *inner, "wait"]
    assert Scenario.model_validate(scenario.to_data()) == scenario


def test_the_short_form_of_wait_names_records_alone() -> None:
    _, short, long = Scenario.model_validate(
        {"name": "x", "workload": ["send", {"wait": [0, 0]}, {"wait": {"ids": [0, 0]}}]}
    ).workload
    assert short == long == Wait(ids=[0, 0])


def test_a_network_is_for_the_virtual_world_alone() -> None:
    network = {"latency": "40ms", "bandwidth": "1KiB"}
    assert "worlds: [virtual]" in _mistakes({**LEAST, "network": network})[0]
    scenario = Scenario.model_validate({**LEAST, "network": network, "worlds": ["virtual"]})
    assert scenario.network == NetworkOptions(latency="40ms", bandwidth=1024)


def test_records_and_bytes_are_bounded_over_all_steps() -> None:
    half = {"send": {"count": RECORDS_MAX // 2, "size": 8}}
    Scenario.model_validate({"name": "x", "workload": [half, {"send_all": half["send"]}]})
    [text] = _mistakes({"name": "x", "workload": [half, half, "send"]})
    assert text == "1,000,001 records up to here; a scenario sends 1,000,000 at most"
    large = {"send": {"count": BYTES_MAX // 2**20 // 2, "size": "1MiB"}}
    Scenario.model_validate({"name": "x", "workload": [large, large]})
    [text] = _mistakes({"name": "x", "workload": [large, large, "send"]})
    assert text == "536,871,012 bytes up to here; a scenario sends 536,870,912 at most"


@pytest.mark.parametrize("step", [{"move_leader": {"to": 2}}, MoveLeader(to=2)])
def test_a_step_cannot_name_an_spu_that_does_not_exist(step: object) -> None:
    data = {"name": "x", "workload": [step]}
    assert _mistakes({**data, "cluster": {"spus": 2}}) == [
        "there is no SPU 2; cluster.spus is 2, numbered from 0"
    ]
    Scenario.model_validate({**data, "cluster": {"spus": 3}})


@pytest.mark.parametrize("replication", [{}, {"replicas": 2}, {"replicas": 3}])
def test_there_are_no_more_replicas_than_spus(replication: dict[str, int]) -> None:
    replicas = replication.get("replicas", 2)
    data = {"name": "x", "workload": ["send"]}
    few = {"spus": replicas - 1, "replication": replication}
    assert _mistakes({**data, "cluster": few}) == [
        f"{replicas} replicas need as many SPUs, but cluster.spus is {replicas - 1}"
    ]
    Scenario.model_validate({**data, "cluster": {**few, "spus": replicas}})


@pytest.mark.parametrize("replicas", [1, 4])
def test_a_partition_has_two_or_three_replicas(replicas: int) -> None:
    cluster = {"spus": 4, "replication": {"replicas": replicas}}
    assert _mistakes({"name": "x", "workload": ["send"], "cluster": cluster}) == [
        f"{replicas} is no number of replicas; write 2 or 3, or no replication"
    ]


@pytest.mark.parametrize(
    "fault", [{"drop": {"match": {"partition": 1}}}, Drop(match=Match(partition=1))]
)
def test_a_fault_cannot_name_a_partition_that_does_not_exist(fault: object) -> None:
    assert _mistakes({**LEAST, "faults": [fault]}) == [
        "there is no partition 1; topic.partitions is 1, numbered from 0"
    ]
    Scenario.model_validate({**LEAST, "faults": [fault], "topic": {"partitions": 2}})


def test_partitions_of_other_topics_are_not_checked() -> None:
    fault = {"drop": {"match": {"topic": "other", "partition": 5}}}
    Scenario.model_validate({**LEAST, "faults": [fault]})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["flush", "1s", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spus", "partitions", "send", "drop", "count", "size", "match", "spu"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(Scenario.model_fields)), ANYTHING))
def test_arbitrary_data_raises_validation_errors_only(data: dict[str, Any]) -> None:
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError:
        return
    assert scenario.workload


@given(st.text("aZ09-._é", min_size=1, max_size=66) | st.just(SYSTEM_TOPIC))
def test_a_scenario_takes_the_topic_names_that_its_cluster_takes(name: str) -> None:
    try:
        Cluster().create_topic(name, topic_of(1))
    except ClusterError:
        with pytest.raises(ValidationError):
            Scenario.model_validate({**LEAST, "topic": {"name": name}})
    else:
        Scenario.model_validate({**LEAST, "topic": {"name": name}})
