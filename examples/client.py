"""A client of the client protocol (docs/client-protocol.md): the producer of this project.
Copy this file and replace ``producer`` with the client that you want to test.
"""

import json
import sys
from base64 import b64decode
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

import trio

import producer

LACKS = {"compression": "none", "isolation": "read-uncommitted", "send_all": "no", "consume": "no"}
OTHERS = {"op", "n", "producer", "topic", "delivery_semantic", "retry", *LACKS}


def config_of(question: dict[str, Any]) -> producer.TopicProducerConfig:
    """Return the options of a scenario as a producer configuration; durations are in seconds."""
    semantic = producer.DeliverySemantic.at_most_once()
    if question["delivery_semantic"] == "at-least-once":
        name = question["retry"].pop("strategy").upper().replace("-", "_")
        policy = producer.RetryPolicy(strategy=producer.RetryStrategy[name], **question["retry"])
        semantic = producer.DeliverySemantic.at_least_once(policy)
    same = {name: question[name] for name in question.keys() - OTHERS}
    return producer.TopicProducerConfig(delivery_semantic=semantic, **same)


async def main() -> None:
    """Answer each line with a line."""
    fluvio: Any = None
    producers, outputs = dict[int, Any](), dict[int, Any]()
    async with AsyncExitStack() as stack:
        async for line in trio.wrap_file(sys.stdin):
            answer: dict[str, Any] = {"n": (question := json.loads(line))["n"], "ok": True}
            number = question.get("producer", 0)
            try:
                match question:
                    case {"op": "connect", "address": address}:
                        fluvio = await stack.enter_async_context(producer.Fluvio.connect(address))
                    case {"op": "producer", "topic": topic}:
                        block = fluvio.topic_producer(topic, config_of(question))
                        producers[number] = await stack.enter_async_context(block)
                        answer["not_applicable"] = LACKS
                    case {"op": "send", "id": n, "key": key, "value": value}:
                        send = producers[number].send
                        outputs[n] = await send(key and b64decode(key), b64decode(value))
                    case {"op": "wait", "id": n}:
                        answer |= asdict(await outputs[n].wait())
                    case {"op": "flush" | "close" as op}:
                        await getattr(producers[number], op)()
            except producer.FluvioError as error:
                answer = {"n": question["n"], "error": str(error)}
            print(json.dumps(answer), flush=True)


trio.run(main)
