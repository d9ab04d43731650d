"""Walks the steps of a workload as it is written, before it is validated.

Mistakes that concern several steps are found in the unvalidated data, so that they are reported
together with the mistakes of single fields. A step that is written wrongly is passed over here; its
own model reports it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic import RootModel

from chaos.spec.step import STEPS, Step
from simulator.documents.strict_model import Conflict, Strict, kind_of, shown

Path: TypeAlias = tuple[str | int, ...]

CONCURRENTLY = "concurrently"
WITH_PRODUCER = "with_producer"
LEAVE = "leave"

_OF_RECORDS = {"count", "size"}
"""The fields of steps that send records."""


class WrittenStep(NamedTuple):
    """One step as it is written."""

    path: Path
    """Its place in the scenario; without its kind."""
    kind: str
    value: Any
    """What is written below the kind; an empty mapping for the word alone."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """Its keys; empty for a step without keys."""
        return self.value if isinstance(self.value, Mapping) else {}

    def place_of(self, *keys: str | int) -> Path:
        """Return the place of one of its keys."""
        return (*self.path, self.kind, *keys)

    @property
    def sends(self) -> int:
        """How many records it sends; 0 if it sends none."""
        model = STEPS.get(self.kind)
        if model is None or not model.__pydantic_fields__.keys() >= _OF_RECORDS:
            return 0
        count = self.fields.get("count", 1)
        return max(count, 0) if type(count) is int else 1

    @property
    def inside(self) -> list["WrittenStep"]:
        """The steps directly inside it."""
        return list(_members(self.value, self.place_of()))


def written_steps(workload: object) -> Iterator[WrittenStep]:
    """Yield all steps of a workload, and those inside them, in the order of the file."""
    for step in _members(workload, ("workload",)):
        yield from _with_inner(step)


def planned_s(steps: Sequence[Step]) -> float:
    """Return how long steps sleep by themselves, in seconds; branches do so at the same time."""
    return sum(map(_planned_s, steps))


def _planned_s(step: Step) -> float:
    value = step.root if isinstance(step, RootModel) else None
    match step.kind, value:
        case "sleep", float() | int():
            return float(value)
        case "concurrently", list():
            return max(map(planned_s, value))
        case _:
            return planned_s(step.inside)


def misplaced(steps: Iterable[WrittenStep]) -> Iterator[Conflict]:
    """Yield a conflict for each of all steps that leaves a block in which it does not stand."""
    for step in steps:
        if step.kind == LEAVE and WITH_PRODUCER not in step.path:
            text = f"{LEAVE} stands only inside {WITH_PRODUCER}, whose block it leaves"
            yield Conflict(step.place_of(), text)


def unsent(workload: object) -> Iterator[Conflict]:
    """Yield a conflict for each record that is waited for before it is certainly sent."""
    yield from _Sending().through(_members(workload, ("workload",)))


def _with_inner(step: WrittenStep) -> Iterator[WrittenStep]:
    yield step
    for inner in step.inside:
        yield from _with_inner(inner)


def _members(value: object, path: Path) -> Iterator[WrittenStep]:
    """Yield the steps in a list of steps, or in a list of such lists."""
    if not isinstance(value, list | tuple):
        value = value.root if isinstance(value, RootModel) else ()
    for n, member in enumerate(value if isinstance(value, list | tuple) else ()):
        at = (*path, n)
        match member:
            case dict() if len(member) == 1:  # nearly every member
                ((kind, below),) = member.items()
                yield WrittenStep(at, str(kind), below)
            case RootModel():
                yield WrittenStep(at, kind_of(member), member.root)
            case Strict():
                yield WrittenStep(at, kind_of(member), member.model_dump(by_alias=True))
            case Mapping() if len(member) == 1:
                ((kind, below),) = member.items()
                yield WrittenStep(at, str(kind), below)
            case str():
                yield WrittenStep(at, member, {})
            case list() | tuple():
                yield from _members(member, at)


class _Sending:
    """Counts the records that are certainly sent before each step."""

    def __init__(self, sent: int = 0) -> None:
        self.sent = sent

    def through(self, steps: Iterator[WrittenStep] | list[WrittenStep]) -> Iterator[Conflict]:
        for step in steps:
            if step.kind == "wait":
                yield from self._waited_for(step)
            elif step.kind == CONCURRENTLY:
                yield from self._through_branches(step.inside)
            else:
                self.sent += step.sends
                yield from self.through(step.inside)

    def _through_branches(self, steps: list[WrittenStep]) -> Iterator[Conflict]:
        before = self.sent
        branches: dict[Path, list[WrittenStep]] = {}
        for step in steps:
            branches.setdefault(step.path[:-1], []).append(step)
        for branch in branches.values():
            alone = _Sending(before)
            yield from alone.through(branch)
            self.sent += alone.sent - before

    def _waited_for(self, step: WrittenStep) -> Iterator[Conflict]:
        short = isinstance(step.value, list | tuple)
        ids = step.value if short else step.fields.get("ids")
        for n, number in enumerate(ids if isinstance(ids, list | tuple) else ()):
            if type(number) is int and number >= self.sent:
                where = step.place_of(n) if short else step.place_of("ids", n)
                records = "1 record is" if self.sent == 1 else f"{self.sent} records are"
                yield Conflict(
                    where,
                    f"record {shown(number)} is not sent yet; {records} sent before this step, "
                    "numbered from 0",
                )
