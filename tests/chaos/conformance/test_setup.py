"""Setups: what they may say, and that they agree with their recordings."""

from pathlib import Path

import pytest

from chaos.conformance.documents import ConformanceFileError
from chaos.conformance.fields import UPDATES
from chaos.conformance.setup import SessionSetup, TopicSetup, load_setup, setup_path
from simulator.cluster.cluster import SPU_ID_FIRST
from tests.chaos.conformance.recordings import NAMES, PATHS, load
from wire.api import WATCH
from wire.api.envelope import TOPIC
from wire.codec import decode


def loaded(tmp_path: Path, text: str) -> SessionSetup:
    path = tmp_path / "session.setup.yaml"
    path.write_text(text)
    return load_setup(path)


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("topic: []", [":1:1: topic: unknown key 'topic'; did you mean 'topics'"]),
        ("- greetings", [":1:1: a list is not a mapping; the keys are spus, system_topic_leader"]),
        ("spus: [", ["not YAML"]),
        (
            "topics: [{name: a, partitions: [{leader: 2}]}]",
            [": topics[0].partitions[0].leader: there is no SPU 2; spus is 2"],
        ),
        (
            "beside:\n  - {at: 1s}\n  - {at: soon, delete: a, produce: {topic: a, records: []}}",
            [
                ":2:5: beside[0]: write one of create, delete and produce beside at",
                ":3:5: beside[1]: write one of create, delete and produce beside at",
                "beside[1].at: 'soon' is not a duration",
                "beside[1].produce.records: 0 items; write 1 at least",
            ],
        ),
        (
            "topics: [{name: a, partitions: [{records: [[k]]}]}]",
            ["topics[0].partitions[0].records[0]"],
        ),
    ],
)
def test_every_mistake_is_named_with_its_place(
    tmp_path: Path, text: str, mistakes: list[str]
) -> None:
    with pytest.raises(ConformanceFileError) as caught:
        loaded(tmp_path, text)
    for mistake in mistakes:
        assert mistake in str(caught.value)


def test_a_setup_names_the_topics_of_its_session(tmp_path: Path) -> None:
    setup = loaded(
        tmp_path,
        "topics: [{name: a, partitions: [{}]}]\n"
        "beside: [{at: 1s, create: {name: b, partitions: [{}]}}, {at: 2s, delete: c}]",
    )
    assert setup.topic_names() == {"a", "b", "consumer-offset"}


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_every_recording_has_a_setup_with_the_leaders_that_its_watches_tell(path: Path) -> None:
    setup, told = load_setup(setup_path(path)), replicas_told(path.stem)
    lying = {topic.name: leaders(topic) for topic in setup.topics}
    created = {step.create.name: leaders(step.create) for step in setup.beside if step.create}
    if told:
        assert {**lying, "consumer-offset": [setup.system_topic_leader]} == {
            name: leaders for name, leaders in told.items() if name not in created
        }
    assert {name: told[name] for name in created} == created


def leaders(topic: TopicSetup) -> list[int]:
    return [partition.leader for partition in topic.partitions]


def replicas_told(name: str) -> dict[str, list[int]]:
    """By topic, the leaders of its partitions as the watches tell them in the end; without the
    topics that the client creates."""
    recording, _ = load(name)
    found = {}
    for exchange in recording.exchanges().values():
        if exchange.api is WATCH:
            version = exchange.header.api_version
            for body in exchange.answers:
                envelope = decode(WATCH.response, body, version).object
                if envelope.label == TOPIC:
                    update = envelope.open(UPDATES[TOPIC], version)
                    for topic in [*update.all, *(change.content for change in update.changes)]:
                        replicas = topic.status.replica_map
                        found[topic.name] = [
                            replicas[index][0] - SPU_ID_FIRST for index in sorted(replicas)
                        ]
    return {topic: told for topic, told in found.items() if topic not in recording.created_topics()}
