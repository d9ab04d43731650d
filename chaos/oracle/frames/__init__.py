"""What request frames hold, when they leave, where they go, and what the servers do with them.

``record_ids``: which records a batch or a log holds.
``batches``: the transmitted batches, and the requests of each partition.
``waiting``: how many batches wait for their request, and for how long.
``leaders``: which SPU leads each partition, and whether it serves it.
``routing``: which partition, which leader, and how often the SC is asked.
``dials``: the pauses behind failed dials.
``partial``: the records of requests that were read in part.
``copies``: stored copies that no frame explains.
``replicas``: when the replicas commit records, and which ones an election leaves out.
``consumers``: the connections of consumers.
``held``: what the logs held, and what of it was committed when.
``stored_offsets``: where a consumer may resume.
``undisturbed``: the connections on which nothing gives a client a reason to send again.
``commits``: what the servers commit, and when they answer.
"""
