"""Scenarios of all kinds, drawn from a seed, in which a correct producer breaks no promise."""

from random import Random
from typing import Any

from chaos.spec.scenario import Scenario

CODES = (
    "NotLeaderForPartition",
    "MessageTooLarge",
    "RequestTimedOut",
    "StorageError",
    "PartitionFull",
    "UnknownServerError",
    "Other",
)
OPEN_CODES = ("RequestTimedOut", "StorageError", "UnknownServerError", "Other")
APIS = ("produce",) * 12 + ("api-versions", "api-versions", "watch", "all")


def _ms(rng: Random, *choices: float) -> str:
    return f"{rng.choice(choices):.10f}".rstrip("0").rstrip(".") + "ms"


def _trigger(rng: Random) -> dict[str, Any]:
    match rng.randrange(5):
        case 0:
            return {"probability": rng.choice([0.05, 0.2, 0.5, 0.9])}
        case 1:
            return {"nth": rng.randint(1, 4)}
        case 2:
            return {"nth": sorted(rng.sample(range(1, 9), 3))}
        case 3:
            return {"every": rng.randint(2, 4)}
    return {}


def _window(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.7:
        return {}
    start = rng.choice([0, 1, 50, 500, 2000])
    return {"between": [f"{start}ms", f"{start + rng.choice([1, 30, 400, 5000])}ms"]}


def _fault(rng: Random, spus: int, partitions: int) -> dict[str, Any]:
    kind = rng.choice(
        (
            "delay",
            "delay",
            "drop",
            "drop",
            "duplicate",
            "disconnect",
            "disconnect",
            "stall",
            "stall",
            "error",
            "error",
            "refuse",
            "refuse",
        )
    )
    if kind == "refuse":
        server = rng.choice(["sc", "spu", *(f"spu:{n}" for n in range(spus))])
        how = rng.choice(["refuse", "rst", "hang"])
        return {kind: {"server": server, "how": how, **_window(rng)}}
    at = rng.choice(["request", "response", "both"])
    match: dict[str, Any] = {}
    if kind != "error":
        match["api"] = rng.choice(APIS)
    if match.get("api", "produce") == "produce" and rng.random() < 0.3:
        match["partition"] = rng.randrange(partitions)
    if rng.random() < 0.15:
        match["spu"] = rng.randrange(spus)
    fields: dict[str, Any] = {"at": at, "match": match, **_trigger(rng), **_window(rng)}
    if rng.random() < 0.3:
        fields["limit"] = rng.randint(1, 3)
    match kind:
        case "delay":
            fields["by"] = rng.choice(
                [
                    _ms(rng, 0.05, 1, 20, 300, 2000, 20_000, 3_600_000),
                    {"uniform": ["0ms", _ms(rng, 2, 200, 3000)]},
                    {"pareto": {"scale": "5ms", "shape": 1.1}},
                ]
            )
        case "disconnect":
            fields["how"] = rng.choice(["rst", "fin", "half-close"])
            if at != "request" and rng.random() < 0.5:
                fields["after_bytes"] = rng.choice([0, 1, 4, 20, 60, 1000])
        case "error":
            fields["code"] = rng.choice(CODES if at == "request" else OPEN_CODES)
    return {kind: fields}


def _producer(rng: Random) -> dict[str, Any]:
    options: dict[str, Any] = {
        "delivery_semantic": rng.choice(["at-least-once", "at-least-once", "at-most-once"]),
        "batch_size": rng.choice([16_384, 16_384, 300, 1]),
        "linger": rng.choice(["0ms", "0ms", "5ms", "200ms"]),
        "compression": rng.choice(["none", "none", "gzip", "lz4"]),
    }
    if rng.random() < 0.7:
        options["retry"] = {
            "max_retries": rng.choice([0, 1, 2, 5, 20, 10**9]),
            "initial_delay": _ms(rng, 0, 1, 2, 10, 100),
            "max_delay": _ms(rng, 0, 50, 2000),
            "timeout": _ms(rng, 3, 40, 500, 3000, 10_000, 60_000),
            "strategy": rng.choice(["fixed-delay", "fibonacci-backoff", "exponential-backoff"]),
        }
        if options["retry"]["max_retries"] > 20:  # more attempts test nothing more
            options["retry"].update(initial_delay="90ms", max_delay="2s")
    if rng.random() < 0.2:
        options["attempt_timeout"] = _ms(rng, 1, 30, 800, 5000)
    if rng.random() < 0.3:
        options["response_timeout"] = _ms(rng, 5, 300, 2000)
    if rng.random() < 0.2:
        options["isolation"] = "read-committed"
        options["timeout"] = _ms(rng, 10, 1500)
    if rng.random() < 0.2:
        options["batch_queue_size"] = rng.choice([1, 2, 5])
    if rng.random() < 0.1:
        options["max_request_size"] = 1024
    return options


def _step(rng: Random, spus: int, partitions: int) -> Any:
    send: dict[str, Any] = {
        "count": rng.choice([1, 2, 5, 20, 60]),
        "size": rng.choice([8, 100, 100, 1500, 40_000]),
        "keys": rng.choice([0, 0, 3]),
    }
    match rng.randrange(12):
        case 0 | 1 | 2:
            if rng.random() < 0.4:
                send["pace"] = _ms(rng, 0, 0.1, 3, 90)
            return {"send": {**send, "wait": rng.random() < 0.3}}
        case 3 | 4:
            return {"send_all": send}
        case 5 | 6:
            return "flush"
        case 7:
            return "wait"
        case 8:
            return {"sleep": _ms(rng, 0.1, 1, 30, 700, 5000)}
        case 9:
            return {"stop_spu": {"spu": rng.randrange(spus)}}
        case 10:
            return {"start_spu": {"spu": rng.randrange(spus)}}
    return {"move_leader": {"partition": rng.randrange(partitions), "to": rng.randrange(spus)}}


def draw_scenario(seed: int) -> Scenario:
    """Return the scenario of a seed: the same seed gives the same scenario."""
    rng = Random(seed)
    spus, partitions = rng.randint(1, 3), rng.choice([1, 1, 2, 4])
    written: dict[str, Any] = {
        "name": f"drawn {seed}",
        "seed": seed,
        "worlds": ["virtual"],
        "cluster": {"spus": spus},
        "topic": {"partitions": partitions},
        "producer": _producer(rng),
        "faults": [_fault(rng, spus, partitions) for _ in range(rng.choice([0, 1, 1, 2, 3, 5]))],
        "workload": [
            {"send": {"count": rng.choice([1, 3, 10])}},
            *(_step(rng, spus, partitions) for _ in range(rng.randint(1, 7))),
        ],
    }
    if written["producer"].get("isolation") and rng.random() < 0.7:
        written["cluster"]["commit_delay"] = _ms(rng, 0.5, 5, 200, 3000)
    if rng.random() < 0.3:
        written["network"] = {"latency": _ms(rng, 0, 0.01, 1, 20, 300)}
        if rng.random() < 0.3:
            written["network"]["bandwidth"] = rng.choice([20_000, 1_000_000, 100_000_000])
    return Scenario.model_validate(written)
