"""Listeners and connections: trio around state that knows no IO.

``exchange``: one connection without IO: frames and verdicts in, actions out.
``states``: the states of a connection, and every transition between them.
``pending``: pending requests and answers.
``connection_events``: the events of one connection.
``applying``: the application of requests by handlers.
``connection``: the task of one connection.
``delay_line``: carries frames in order, each not before its time.
``transit``: the memory budget for requests and answers in transit.
``node``: the servers, and their connections.
``recovery``: SPUs that start listen before they serve.
``replicating``: the task that replicates, and its events.
``topic_events``: the events of topics.
``timers``: calls at a time, and the time since a moment.
``listeners``: listeners opened, closed, and kept closed by faults.
``transport``: real sockets: streams, listening, resets.
``server``: the simulator as a whole; the only nursery.
"""
