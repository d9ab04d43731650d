"""The official Python client as a program of the client protocol (``docs/client-protocol.md``).

The program is started by its path and imports nothing of this project, so that its startup takes no
longer than importing the client. Calls of the client hold the interpreter lock while they wait, and
some wait forever; only killing the process ends these.

``connect`` may be repeated: it releases the previous connection.
"""

import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from fluvio import (
    Compression,
    ConsumerConfigExtBuilder,
    DeliverySemantic,
    Fluvio,
    FluvioConfig,
    FluviorError,
    Isolation,
    Offset,
    OffsetManagementStrategy,
    TopicProducerConfigBuilder,
)

Reply = dict[str, Any]

COMPRESSIONS = {
    "none": Compression.None_,
    "gzip": Compression.Gzip,
    "snappy": Compression.Snappy,
    "lz4": Compression.Lz4,
    "zstd": Compression.Zstd,
}
ISOLATIONS = {
    "read-uncommitted": Isolation.ReadUncommitted,
    "read-committed": Isolation.ReadCommitted,
}
SEMANTICS = {
    "at-least-once": DeliverySemantic.AtLeastOnce,
    "at-most-once": DeliverySemantic.AtMostOnce,
}

STARTS = {
    "beginning": Offset.from_beginning,
    "end": Offset.from_end,
    "absolute": Offset.absolute,
}

NOT_APPLICABLE = {
    "retry": {},  # the default policy of a scenario is that of Fluvio
    "attempt_timeout": f"{os.environ.get('FLV_SOCKET_WAIT', '60')}s",
    "response_timeout": "10s",
    "records without a key": "the client sends an empty key, so that all go to one partition",
    "wait twice": "an output is waited for once",
    "isolation of consumers": "a consumer cannot be told to read committed records only",
}
"""The scenario options that the client does not have. The client has no time limit at all for
``wait`` under at-most-once; it is judged by the default of scenarios."""


class Session:
    """One connection, its producers, and their open outputs."""

    fluvio: Any = None
    address: str = ""

    def __init__(self) -> None:
        self.producers: dict[int, Any] = {}
        self.outputs: dict[int, tuple[int, Any]] = {}
        """By record id, the number of the producer, and the output."""

    def connect(self, address: str, client_id: str | None = None) -> Reply:
        """Connect, and release the previous connection."""
        self.fluvio, self.address = None, address
        self.producers.clear()
        self.outputs.clear()
        config = FluvioConfig.new(address)
        if client_id is not None:
            config.set_client_id(client_id)
        self.fluvio = Fluvio.connect_with_config(config)
        return {}

    def make_producer(self, topic: str, producer: int = 0, **options: Any) -> Reply:
        """Create a producer with the options of a scenario; durations are in seconds."""
        if self.fluvio is None:
            self.fluvio = Fluvio.connect_with_config(FluvioConfig.new(self.address))
        builder = TopicProducerConfigBuilder()
        for name in ("batch_size", "max_request_size", "batch_queue_size"):
            builder = getattr(builder, name)(options[name])
        for name in ("linger", "timeout"):
            builder = getattr(builder, name)(round(options[name] * 1000))
        builder = builder.compression(COMPRESSIONS[options["compression"]])
        builder = builder.isolation(ISOLATIONS[options["isolation"]])
        builder = builder.delivery_semantic(SEMANTICS[options["delivery_semantic"]])
        made = self.fluvio.topic_producer_with_config(topic, builder.build())
        self.producers[producer] = made
        return {"not_applicable": NOT_APPLICABLE}

    def send(self, id: int, key: str | None, value: str, producer: int = 0) -> Reply:  # noqa: A002  its name there
        """Send one record."""
        output = self.producers[producer].send(b64decode(key or ""), b64decode(value))
        self.outputs[id] = producer, output
        return {}

    def send_all(self, records: list[Reply], producer: int = 0) -> Reply:
        """Send several records with one call."""
        pairs = [(b64decode(r["key"] or ""), b64decode(r["value"])) for r in records]
        outputs = self.producers[producer].send_all(pairs)
        for record, output in zip(records, outputs, strict=True):
            self.outputs[record["id"]] = producer, output
        return {}

    def flush(self, producer: int = 0) -> Reply:
        """Flush a producer."""
        self.producers[producer].flush()
        return {}

    def wait(self, id: int, producer: int = 0) -> Reply:  # noqa: A002  its name there
        """Wait for one record."""
        _, output = self.outputs.pop(id)
        metadata = output.wait()
        return {"partition": metadata.partition_id(), "offset": metadata.offset()}

    def consume(
        self,
        topic: str,
        partition: int,
        start: str,
        offset: int,
        count: int | None,
        consumer_id: str | None,
        max_bytes: int,
        **_: Any,
    ) -> Iterator[Reply]:
        """Read a partition: a line for each record, and two for each offset that is stored."""
        builder = ConsumerConfigExtBuilder(topic)
        builder.partition(partition)
        builder.offset_start(STARTS[start](offset))
        builder.max_bytes(max_bytes)
        builder.disable_continuous(count is None)
        if consumer_id is not None:
            builder.offset_consumer(consumer_id)
            builder.offset_strategy(OffsetManagementStrategy.MANUAL)
        client, self.fluvio = self.fluvio, None  # released with the last record
        stream = client.consumer_with_config(builder.build())
        for record in islice(stream, count):
            key = record.key()
            yield {
                "record": {
                    "offset": record.offset(),
                    "timestamp": record.timestamp(),
                    "key": None if key is None else _base64(key),
                    "value": _base64(record.value()),
                }
            }
            if consumer_id is not None:
                yield {"storing": record.offset()}
                stream.offset_commit()
                stream.offset_flush()
                yield {"stored": record.offset()}

    def close(self, producer: int = 0) -> Reply:
        """Release a producer, and with the last one the connection; what the producer has open is
        flushed, since releasing alone would lose it."""
        closed = self.producers.pop(producer)
        if any(number == producer for number, _ in self.outputs.values()):
            closed.flush()
        if not self.producers:
            self.fluvio = None
        return {}


def main() -> None:
    """Answer each line of standard input with one line on standard output, after those of the
    records that were read."""
    session = Session()
    for line in sys.stdin:
        question = json.loads(line)
        op, n = question.pop("op"), question.pop("n")
        try:
            answer = getattr(session, "make_producer" if op == "producer" else op)(**question)
            if op == "consume":
                for told in answer:
                    _say(n, told)
                answer = {}
            answer = {"ok": True, **answer}
        except Exception as error:
            if not isinstance(error, FluviorError) and type(error) is not Exception:
                raise  # none of the client's; its streams raise bare exceptions
            answer = {"error": str(error)}
        _say(n, answer)


def _say(n: int, line: Reply) -> None:
    print(json.dumps({"n": n, **line}), flush=True)  # noqa: T201  the protocol's output


def _base64(data: Iterable[int]) -> str:
    return b64encode(bytes(data)).decode()


if __name__ == "__main__":
    main()
