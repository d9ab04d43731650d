"""A client of the client protocol (docs/client-protocol.md): the producer of this project.

Copy this file and replace ``producer`` with the client that you want to test.
"""

import json
import sys
from base64 import b64decode
from contextlib import AsyncExitStack
from typing import Any

import trio

import producer

NOT_APPLICABLE = {"compression": "none", "isolation": "read-uncommitted", "send_all": "one by one"}
OTHERS = {"op", "n", "topic", "delivery_semantic", "retry", *NOT_APPLICABLE}


def config_of(question: dict[str, Any]) -> producer.TopicProducerConfig:
    """Return the options of a scenario as a producer configuration; durations are in seconds."""
    semantic = producer.DeliverySemantic.at_most_once()
    if question["delivery_semantic"] == "at-least-once":
        name = question["retry"].pop("strategy").upper().replace("-", "_")
        policy = producer.RetryPolicy(strategy=producer.RetryStrategy[name], **question["retry"])
        semantic = producer.DeliverySemantic.at_least_once(policy)
    same = {name: value for name, value in question.items() if name not in OTHERS}
    return producer.TopicProducerConfig(delivery_semantic=semantic, **same)


async def main() -> None:
    """Answer each line with a line."""
    fluvio: Any = None
    client: Any = None
    outputs: dict[int, Any] = {}
    async with AsyncExitStack() as stack:
        async for line in trio.wrap_file(sys.stdin):
            answer: dict[str, Any] = {"n": (question := json.loads(line))["n"], "ok": True}
            try:
                match question:
                    case {"op": "connect", "address": address}:
                        fluvio = await stack.enter_async_context(producer.Fluvio.connect(address))
                    case {"op": "producer", "topic": topic}:
                        new = fluvio.topic_producer(topic, config_of(question))
                        client = await stack.enter_async_context(new)
                        answer["not_applicable"] = NOT_APPLICABLE
                    case {"op": "send", "id": n, "key": key, "value": value}:
                        outputs[n] = await client.send(key and b64decode(key), b64decode(value))
                    case {"op": "wait", "id": n}:
                        metadata = await outputs.pop(n).wait()
                        answer |= {"partition": metadata.partition, "offset": metadata.offset}
                    case {"op": "flush" | "close" as op}:
                        await getattr(client, op)()
            except producer.FluvioError as error:
                answer = {"n": question["n"], "error": str(error)}
            print(json.dumps(answer), flush=True)


trio.run(main)
