"""What is sent, and what a delivery semantic does next: synchronous, no clock, no IO.

``semantics``: the delivery semantics and the retry policy, under Fluvio's names.
``partitioner``: the partition of each record.
``batch``: records of one partition that share their fate, and their outcome.
``accumulator``: records into batches, batches into requests.
``delivery``: both semantics as state machines: events in, actions out.
"""
