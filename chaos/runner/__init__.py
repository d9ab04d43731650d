"""Runs a scenario: one world, one cluster, one client, and the history of what happened.

``run``: the course of a run: connect, work under faults, heal, drain, probe, read the logs.
``caller``: performs steps with a producer of the client; each call has a bound.
``consuming``: performs the steps that read.
``dialling``: a dialler that reports refused connects.
``producers``: the producers of one client, each held open by a task of its own.
``run_cluster``: the cluster of a run: the simulator, or a real one.
``real_cluster``: a real cluster behind the proxy.
``cluster_client``: a small client of a real cluster, for topics and for what is stored.
``evicted``: keeps what retention removes from the logs.
``run_recorder``: writes down what the client did and reported.
"""

from chaos.runner.run import run_scenario

__all__ = ["run_scenario"]
