"""A simulator of a Fluvio cluster: real protocol, real sockets, faults on purpose.

In a thread, for callers that block or run asyncio:

>>> import simulator
>>> with simulator.running(drop=0.1, seed=7) as sim:
...     print(sim.log("greetings", 0))
[]

Inside trio the same with ``async with simulator.open_simulator(drop=0.1, seed=7) as sim``.
"""

TYPE_CHECKING = False  # typing takes a while to import, and type checkers know the name
if TYPE_CHECKING:
    from simulator.blocking import RunningSimulator, running
    from simulator.config import Config, configure
    from simulator.events import Event
    from simulator.faults.fault_file import FaultFileError, load_faults
    from simulator.options import Options, SimulatorError
    from simulator.serving.server import Simulator, open_simulator
    from simulator.summary import Summary

__all__ = [
    "Config",
    "Event",
    "FaultFileError",
    "Options",
    "RunningSimulator",
    "Simulator",
    "SimulatorError",
    "Summary",
    "configure",
    "load_faults",
    "open_simulator",
    "running",
]

_HOMES = {
    "Config": "simulator.config",
    "Event": "simulator.events",
    "FaultFileError": "simulator.faults.fault_file",
    "Options": "simulator.options",
    "RunningSimulator": "simulator.blocking",
    "Simulator": "simulator.serving.server",
    "SimulatorError": "simulator.options",
    "Summary": "simulator.summary",
    "configure": "simulator.config",
    "load_faults": "simulator.faults.fault_file",
    "open_simulator": "simulator.serving.server",
    "running": "simulator.blocking",
}
"""Public names and the modules that define them."""


if not TYPE_CHECKING:  # with it any name would do for a type checker

    def __getattr__(name: str) -> object:
        """Load a public name on first use: ``import simulator`` by itself costs no trio."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
