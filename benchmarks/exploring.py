"""``python -m benchmarks.exploring``: the effect of targeting and of placements.

Each of ten defects (``defects.py``) is searched for with many seeds: with drawn examples alone,
with targeted ones, and with placements, in a property whose faults strike often and in one whose
faults strike seldom. It takes some minutes. The methods take turns, so that other load on the
machine affects all alike. The number of examples until one fails and the CPU time in seconds are
counted, without shrinking.
"""

import argparse
import statistics
import time
from dataclasses import dataclass, field

from benchmarks.defects import DEFECTS, Defect
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.spec.loader import parse_scenario

EXAMPLES_MAX = 200
"""The number of examples, about 5 s, after which a search is given up; it counts with this number.
"""

OFTEN, SELDOM = "0.01..0.3", "0.001..0.02"
"""The probabilities of the faults in the two properties."""

METHODS = {
    "often, untargeted": (OFTEN, False, False),
    "often, targeted": (OFTEN, True, False),
    "often, with placements": (OFTEN, True, True),
    "seldom, untargeted": (SELDOM, False, False),
    "seldom, targeted": (SELDOM, True, False),
    "seldom, with placements": (SELDOM, True, True),
}
"""By name of a search method, the probabilities, and whether there are targeted examples and rounds
of placements."""

PROPERTY = """
name: everything open
worlds: [virtual]
cluster: {spus: 1..3}
topic: {partitions: 1..4}
producer:
  delivery_semantic: SEMANTIC
  batch_size: {any: [16KiB, 1KiB, 100]}
  linger: {any: [0ms, 5ms]}
  retry:
    max_retries: 1..6
    initial_delay: 10ms..100ms
    max_delay: 1s
    timeout: 5s..20s
    strategy: {any: [fixed-delay, fibonacci-backoff, exponential-backoff]}
faults:
  - some:
    - drop: {probability: PROBABILITY}
    - disconnect: {how: {any: [rst, fin, half-close]}, probability: PROBABILITY}
    - stall: {probability: PROBABILITY}
    - duplicate: {probability: PROBABILITY}
    - delay: {by: {uniform: [0ms, 2s]}, probability: PROBABILITY}
    - error:
        at: request
        code:
          any:
            - NotLeaderForPartition
            - MessageTooLarge
            - CompressionError
            - TopicNotFound
            - RequestTimedOut
            - StorageError
            - PartitionFull
            - PartitionShortCircuited
            - UnknownServerError
            - Other
            - PermissionDenied
        probability: PROBABILITY
workload:
  - send: {count: 1..100, size: 8..200}
  - flush
  - send: {count: 1..10, wait: true}
  - flush
"""


class _Caught(Exception):  # noqa: N818  the intended outcome
    """An example failed."""


@dataclass(slots=True)
class _Score:
    """The results of one search method for one defect."""

    caught: int = 0
    examples: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The median examples and seconds, and the number of searches that were given up."""
        given_up = len(self.examples) - self.caught
        text = f"{statistics.median(self.examples):g}, {statistics.median(self.seconds):.2f} s"
        return f"{text}, {given_up} given up" if given_up else text

    def search(self, defect: Defect, seed: int, method: tuple[str, bool, bool]) -> None:
        """Search once and record the result."""
        probability, targeted, placed = method
        text = PROPERTY.replace("SEMANTIC", defect.semantic).replace("PROBABILITY", probability)
        prop = parse_scenario(text, f"{defect.semantic}.yaml")
        reached = 0

        def stop(found: Exploration) -> None:
            nonlocal reached
            reached = found.examples
            if found.failed is not None:
                raise _Caught

        started = time.process_time()
        with defect.in_place():
            try:
                explore(
                    prop,
                    examples=EXAMPLES_MAX,
                    seed=seed,
                    progress=stop,
                    targeted=targeted,
                    placed=placed,
                )
            except _Caught:
                self.caught += 1
        self.seconds.append(time.process_time() - started)
        self.examples.append(reached)


def main() -> None:
    """Search for every defect with each method and print a table, line by line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exploring", description=__doc__)
    parser.add_argument("--seeds", type=int, default=15, help="searches with each method (15)")
    parser.add_argument("--methods", default="", help="a word of the names of methods (all)")
    parser.add_argument("defects", nargs="*", help="words from the names of defects (all)")
    given = parser.parse_args()
    seeds: int = given.seeds
    methods = {name: each for name, each in METHODS.items() if given.methods in name}
    print(f"| {seeds} searches with each method | it takes |", " | ".join(methods), "|")
    print("|---|---|" + "---|" * len(methods))
    for defect in DEFECTS:
        if given.defects and not any(word in defect.name for word in given.defects):
            continue
        scores = {name: _Score() for name in methods}
        for seed in range(seeds):
            for name, method in methods.items():
                scores[name].search(defect, seed, method)
        cells = " | ".join(score.shown for score in scores.values())
        print(f"| {defect.name} | {defect.needs} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
