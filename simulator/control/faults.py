"""The faults of a running simulator: which there are, and their changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Unpack

from simulator.config import faults_of, misnamed_spus
from simulator.events import FaultAdded, FaultChanged, FaultRemoved
from simulator.faults.fault_list import written
from simulator.faults.model import Fault, Refusal
from simulator.faults.plan import FaultPlan
from simulator.journal import Journal
from simulator.options import FaultOptions, SimulatorError
from simulator.serving.listeners import Listeners
from simulator.serving.timers import TimeSince


class FaultSettings(Protocol):
    """The part of a configuration that concerns faults."""

    @property
    def faults(self) -> Sequence[Fault]:
        """The faults of the start."""

    @property
    def seed(self) -> int:
        """The random seed."""

    @property
    def spus(self) -> int | None:
        """The number of SPUs; None if it is not known."""


class FaultControl:
    """The operations on faults; ``Simulator`` and ``Proxy`` have them.

    Args:
        settings: the faults of the start, and the random seed.
        clock: the time, in seconds of the simulator's clock.
    """

    _journal: Journal
    _listeners: Listeners

    def __init__(self, settings: FaultSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._time = clock
        self._plan = FaultPlan(settings.faults, settings.seed)
        self._plan.active = False
        self._faults_clock = TimeSince(clock)
        self._faults_elapsed = self._faults_clock.seconds
        """Returns the seconds since the faults' clock started."""

    def begin_faults(self) -> None:
        """Activate the faults; their clock and their ordinals start now."""
        self._faults_clock.since = now = self._time()
        self._plan.active = True
        self._close_for(self._plan.faults, now)

    def list_faults(self) -> list[Fault]:
        """Return the faults in the order in which they are evaluated, each with its name."""
        return [*self._plan.faults]

    def add_faults(
        self, *faults: Fault | Mapping[str, Any], **options: Unpack[FaultOptions]
    ) -> list[str]:
        """Add faults behind those that are there, and return their names.

        Their ordinals and the clock of their windows start now. They strike requests that are read
        from now on, and further responses of streams and watches that are open.

        Args:
            faults: models, or plain data as in a faults file: ``{"drop": {"nth": 1}}``.
            options: see ``FaultOptions``.

        Raises:
            SimulatorError: a fault is not possible, or its name is taken; none was added.
        """
        wanted = self._checked(faults, options)
        with _refusing():
            named = self._plan.add(wanted, self._faults_elapsed())
        self._plan.active = True
        for fault in named:
            self._journal.record(FaultAdded(fault=fault.name, definition=written(fault)))
        self._close_for(named, self._time())
        return [fault.name for fault in named]

    def change_fault(self, name: str, fault: Fault | Mapping[str, Any]) -> None:
        """Put a fault in the place of another one, under its name; it counts as a new fault.

        Raises:
            SimulatorError: there is no fault of that name, or the new one is not possible.
        """
        [wanted] = self._checked([fault], {})
        with _refusing():
            changed = self._plan.change(name, wanted, self._faults_elapsed())
        self._listeners.lift(name)
        self._journal.record(FaultChanged(fault=name, definition=written(changed)))
        self._close_for([changed], self._time())

    def remove_fault(self, name: str) -> None:
        """Remove a fault; what it has struck stays struck.

        Raises:
            SimulatorError: there is no fault of that name.
        """
        with _refusing():
            self._plan.remove(name)
        self._listeners.lift(name)
        self._journal.record(FaultRemoved(fault=name))

    def clear_faults(self) -> None:
        """Remove all faults."""
        for fault in self._plan.faults:
            self.remove_fault(fault.name)

    @contextmanager
    def faults(
        self, *faults: Fault | Mapping[str, Any], **options: Unpack[FaultOptions]
    ) -> Iterator[list[str]]:
        """Add faults for the duration of the block, and give their names.

        >>> with sim.faults(drop=0.1):
        ...     client.send()

        Args:
            faults: as for ``add_faults``.
            options: as for ``add_faults``.

        Raises:
            SimulatorError: as ``add_faults``.
        """
        names = self.add_faults(*faults, **options)
        healings = self._plan.healings
        try:
            yield names
        finally:
            if self._plan.healings == healings:  # else faults of these names are others
                for fault in self._plan.faults:
                    if fault.name in names:
                        self.remove_fault(fault.name)

    def _checked(
        self, faults: Sequence[Fault | Mapping[str, Any]], options: FaultOptions
    ) -> list[Fault]:
        wanted = faults_of(faults, options)
        spus = self._settings.spus
        if spus is not None and (mistakes := [*misnamed_spus(wanted, spus)]):
            raise SimulatorError("\n".join(mistakes))
        return wanted

    def _close_for(self, faults: Sequence[Fault], since: float) -> None:
        """Close listeners for the faults that do so."""
        for fault in faults:
            if fault.closes_listeners:
                assert isinstance(fault, Refusal)
                self._listeners.refuse(fault, since)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn the refusal of a plan into an error for its caller."""
    try:
        yield
    except ValueError as error:
        raise SimulatorError(str(error)) from error
