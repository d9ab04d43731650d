"""The producer's connections: who shares them, and what the SC says of the cluster.

- ``dialling.py``: how a connection begins: dial, TLS handshake, greeting
- ``connection.py``: one connection: requests pipelined, answers paired, retiring
- ``pool.py``: one dial and one connection for each SPU, shared by partitions and producers
- ``metadata.py``: SPUs, topics and leaders, as far as producers asked for them
- ``watching.py``: the connection to the SC: watches that keep them current, look-ups
"""
