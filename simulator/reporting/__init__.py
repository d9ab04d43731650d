"""Where events go, and what people and scripts read of a run.

``console``: one printed line for each event.
``repeats``: requests that repeat an earlier request.
``summary``: the summary of a run, for a person or as JSON.
``journal_file``: the journal as a file of JSON Lines.
``kept_events``: the events that a simulator keeps in memory.
``writer``: writes to files without blocking the simulator.
"""
