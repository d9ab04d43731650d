"""Runs a scenario: one world, one cluster, one client, and the history of what happened.

``run``: the course of a run: connect, work under faults, heal, drain, probe, read the logs.
``caller``: performs steps with a producer of the client; each call has a bound.
``consuming``: performs the steps that read.
``dialling``: a dialler that reports refused connects.
``producers``: the producers of one client, each held open by a task of its own.
``evicted``: keeps what retention removes from the logs.
``run_recorder``: writes down what the client did and reported.
"""

from chaos.runner.run import run_scenario

__all__ = ["run_scenario"]
