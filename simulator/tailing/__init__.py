"""``spu-simulator tail TOPIC``: a small consumer that marks the records that were stored before.

``command``: the command, its output and its end.
``following``: streams from the leaders of a topic.
``lookup``: what the SC tells of a topic: its partitions and their leaders.
``tail_connection``: one connection to an SC or an SPU.
``lines``: the lines, and which records are copies.
"""
