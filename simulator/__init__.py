"""A simulator of a Fluvio cluster: real protocol, real sockets, faults on purpose.

In a thread, for callers that block or run asyncio:

>>> import simulator
>>> with simulator.running(drop=0.1, seed=7) as sim:
...     print(sim.log("greetings", 0))
[]

Inside trio the same with ``async with simulator.open_simulator(drop=0.1, seed=7) as sim``.
"""

from simulator.blocking import RunningSimulator, running
from simulator.config import Config, Options, SimulatorError, configure
from simulator.events import Event
from simulator.faults.fault_file import FaultFileError, load_faults
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
