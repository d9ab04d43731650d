"""``spu-simulator tail TOPIC``: a small consumer that marks the records that were stored before.

``command``: the command, its output and its end.
``following``: where the leaders of a topic are, again and again.
``leader``: the streams of one leader.
``printing``: records and notes, in one order.
``lookup``: what the SC tells of a topic: its partitions and their leaders.
``tail_connection``: one connection to an SC or an SPU.
``lines``: the lines, and which records are copies.
"""
