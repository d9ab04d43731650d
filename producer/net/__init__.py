"""The producer's connections: who shares them, and what the SC says of the cluster.

- ``dialling.py``: how a connection begins: dial, TLS handshake, greeting
- ``connection.py``: one connection: requests pipelined, answers paired, retiring
- ``pool.py``: one connection for each SPU, shared by partitions and producers
- ``metadata.py``: SPUs, topics and leaders, kept current by watches
"""
