"""The state of the simulated cluster, plain and synchronous: no sockets, no tasks, no clock.

``cluster``: SPUs, topics, partitions and leaders.
``log``: the log of one partition.
``record_set``: the batches of one entry of a produce request.
``consumer_offsets``: how far consumers have read.
``copies``: detects batches that a log has stored before.
``memory``: the memory budget of a simulator.
``topic_checks``: what an SC refuses to create.
``topic_specs``: the specs of topics, and where their partitions go.
``keeping``: a cluster that outlives its simulator.
``smartmodules``: the names of SmartModules.
``follower``: one follower of a partition.
``replication``: followers that fetch, the high watermark, and the election of a leader.
``metadata``: the state of the cluster in the messages of the SC.
"""
