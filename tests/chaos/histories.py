"""Writes a digest of the history of each seed, for a test that compares two processes."""

import sys
from hashlib import sha256

from chaos.history import History
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.documents.reader import parse

TEXT = """
name: a bit of everything
cluster: {spus: 2}
topic: {partitions: 3}
producer:
  delivery_semantic: at-least-once
  retry: {max_retries: 5, initial_delay: 10ms, max_delay: 2s, timeout: 10s}
  batch_size: 300
faults:
  - drop: {name: first, at: response, nth: 1, match: {partition: 0}}
  - drop: {probability: 0.2}
  - disconnect: {probability: 0.1, how: rst}
  - delay: {by: {uniform: [0ms, 300ms]}, probability: 0.5}
  - duplicate: {probability: 0.1}
  - stall: {probability: 0.05}
  - error: {at: request, code: StorageError, probability: 0.1}
workload:
  - send: {count: 10, size: 100, keys: 5}
  - move_leader: {partition: 0, to: 1}
  - send: {count: 10, size: 100, pace: 3ms}
  - stop_spu: {spu: 1}
  - sleep: 200ms
  - start_spu: {spu: 1}
  - flush
  - send_all: {count: 10}
"""


def history_of(seed: int, semantic: str = "at-least-once", **changes: object) -> History:
    """Return the history of a seed."""
    data = parse(TEXT.replace("at-least-once", semantic)).data
    return run_scenario(Scenario.model_validate({**data, "seed": seed, **changes}))


def digest_of(history: History) -> str:
    """Return a digest of a history."""
    return sha256(history.dumps().encode()).hexdigest()


if __name__ == "__main__":
    for seed in range(int(sys.argv[1])):
        history = history_of(seed, ("at-least-once", "at-most-once")[seed % 2])
        fired = sum(count.fired or 0 for count in history.faults.values())
        sys.stdout.write(f"{digest_of(history)}\t{fired}\t{history.defect or 'sound'}\n")
