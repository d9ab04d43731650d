"""A simulator of a Fluvio cluster: real protocol, real sockets, faults on purpose.

In a thread, for callers that block or run asyncio:

>>> import simulator
>>> with simulator.running(drop=0.1, seed=7) as sim:
...     print(sim.log("greetings", 0))
[]

The equivalent in trio is ``async with simulator.open_simulator(drop=0.1, seed=7) as sim``.

``documents``: files that people write: YAML, diagnostics and models.
``faults``: the fault model.
``cluster``: topics, partitions, logs and metadata.
``storage``: what a simulator keeps in a directory across restarts.
``handlers``: one module for each API.
``serving``: listeners and connections.
``events``: typed events.
``journal``: numbers events and hands them to sinks.
``control``: looking at a running simulator, and changing it.
``reporting``: where events go: console, journal, summary.
``proxying``: ``spu-simulator proxy``, the same faults before a real cluster.
``tailing``: ``spu-simulator tail``, a small consumer that marks resent records.
``config``: the configuration of a simulator.
``options``: the options in Python, and their validation.
``blocking``: a simulator in a thread.
``cli``: the command ``spu-simulator``.
"""

TYPE_CHECKING = False  # the import of typing is slow, and type checkers know the name
if TYPE_CHECKING:
    from simulator.blocking import RunningSimulator, running
    from simulator.config import Config, configure
    from simulator.events import Event
    from simulator.faults.fault_file import FaultFileError, load_faults
    from simulator.options import Options, SimulatorError
    from simulator.reporting.summary import Summary
    from simulator.serving.server import Simulator, open_simulator

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
    "Summary": "simulator.reporting.summary",
    "configure": "simulator.config",
    "load_faults": "simulator.faults.fault_file",
    "open_simulator": "simulator.serving.server",
    "running": "simulator.blocking",
}
"""Public names and the modules that define them."""


if not TYPE_CHECKING:  # type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Load a public name on first use: ``import simulator`` alone does not import trio."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
