"""What a simulator keeps in a directory across restarts: plain and synchronous, no trio.

One append-only file holds everything: topics, batches, SmartModules, consumer offsets. One order of
all entries means that no two files can contradict each other, and one rule says what is cut off.

``frames``: the format of the file.
``entries``: what is kept, as declared messages.
``kept_log``: the log of one partition.
``store``: a directory: opened, locked, read, appended to, and rewritten without what is gone.
"""
