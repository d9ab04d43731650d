"""Listeners and connections: trio around state that knows no IO.

- ``exchange.py``: one connection without IO: frames and verdicts in, actions out
- ``states.py``: the states of a connection, and every transition between them
- ``pending.py``: what is on its way: requests to be applied, answers to be written
- ``connection_events.py``: the events of one connection
- ``applying.py``: as much of a request as a fault lets through
- ``connection.py``: the task of one connection
- ``delay_line.py``: carries frames in order, each not before its time
- ``transport.py``: where streams come from
- ``server.py``: the simulator as a whole; the only nursery
"""
