"""The command line: one module for each command, and the modules that they share.

``main``: the command group, and how the process ends.
``run``: runs scenarios and properties.
``explore``: explores properties.
``certify``: tries every placement of up to k faults.
``replay``: runs one scenario again and prints narratives.
``judge``: judges kept histories.
``merge``: makes one result of shards, and what is kept of a shard.
``inform``: the commands ``init``, ``validate``, ``schema`` and ``list``, which run nothing.
``zoo``: hunts mutants.
``trial``: generates and compares the page about the official client.
``conformance``: replays the recorded sessions of a real cluster against the simulator.
``files``: reads the scenario files of a command line.
``options``: the options that several commands have.
``tasks``: one run or exploration as a task for a worker process.
``conclude``: the output of ``run`` and ``explore``.
``terminal``: standard output, the progress bar, and Ctrl-C.
"""
