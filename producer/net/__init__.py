"""The producer's connections: who shares them, and what the SC says of the cluster.

``dialling``: how a connection begins: dial, TLS handshake, greeting.
``connection``: one connection: requests pipelined, answers paired, retiring.
``pool``: one dial and one connection for each SPU, shared by partitions and producers.
``metadata``: SPUs, topics and leaders, as far as producers asked for them.
``tls``: the TLS context that a profile stands for.
``watching``: the connection to the SC: watches that keep them current, look-ups.
"""
