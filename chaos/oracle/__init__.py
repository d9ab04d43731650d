"""The judge: from a history to a verdict. It knows nothing of the client under test.

``judge``: runs all checks and gives the verdict of a run.
``checks``: one module for each promise.
``finding``: what a check returns: its violations, and an account of its records.
``evidence``: a history, indexed for the checks.
``expectations``: what a scenario demands, held against a run.
``answers``: the answers to produce requests.
``attempts``: record groups and their retry timelines.
``timing``: bounds on the skew between server-side timestamps and client-side events.
``incarnations``: the lives of the topic, when the client knew of them, and where records belong.
``visibility``: where every attempt of a client leaves an event.
``blind_spots``: the intervals in which it may not, searched exactly.
``holds``: when a frame arrived that an SPU left unread.
``disturbances``: when something struck a server.
``blind_records``: records that a check cannot judge because of a fault's effects.
``frames``: what request frames hold, when they leave and where they go.
``calls``: what a flush covers, when producers were closed, which records ``send`` rejected.
"""
