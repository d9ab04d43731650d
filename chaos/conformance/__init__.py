"""Conformance: recorded sessions of a real cluster, replayed against the simulator.

A client passes here and fails before a real cluster wherever the simulator behaves better than one.
Each recording has the frames of one client; its setup says what lay in the cluster; the list of
fields that may differ says what is different on purpose. Everything else must be equal.

``recording``: a session as events on connections, its file, and its exchanges.
``setup``: what lies in the cluster before a session, and what happens beside it.
``documents``: loads the YAML files.
``replay``: the recorded client against the simulator, in virtual time.
``fields``: answers as trees of fields, without what is not the session's.
``compare``: the differences between a recording and its replay.
``may_differ``: the list of intended differences.
``session``: one session from its files to its comparisons; the sums.
``trim``: a recording without what is not compared.
"""
