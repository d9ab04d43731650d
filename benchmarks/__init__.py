"""Benchmarks: figures for docs/benchmarks.md. None of them is a test.

``__main__``: the simulator and the codec.
``streaming``: stored records to a raw reader.
``producers``: our producer beside the official client.
``chaos``: scenarios in virtual time, and the judge.
``instructions``: machine instructions of a run, also of another commit.
``loop``: single steps on both event loops.
``exploring``: the effect of targeting on the search for ten defects.
``defects``: those ten defects of a producer.
``producing``: one client as a process, for ``producers``.
``server``: the simulator as a process.
``echo``: a bare trio server that sends back what it reads, as the limit for ours.
``load``: produce requests from a blocking socket.
``codec``: the cost of encoding and decoding.
``figures``: the table of medians and ranges.
"""
