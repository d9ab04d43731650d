"""What is sent, and what a delivery semantic does next: synchronous, no clock, no IO.

- ``semantics.py``: the delivery semantics and the retry policy, under Fluvio's names
- ``partitioner.py``: the partition of each record
- ``batch.py``: records of one partition that share their fate, and their outcome
- ``accumulator.py``: records into batches, batches into requests
- ``delivery.py``: both semantics as state machines: events in, actions out
"""
