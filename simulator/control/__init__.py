"""Looking at a running simulator, and changing it.

``faults``: the faults of a running simulator, and their changes.
``state``: what a simulator holds at the moment: partitions, connections.
``waiting``: waits until a simulator holds what was asked for.
"""
