"""Looking at a running simulator, and changing it.

``faults``: the faults of a running simulator, and their changes.
``topics``: the topics of a running simulator, and their changes.
``state``: what a simulator holds at the moment: partitions, connections, records.
``waiting``: waits until a simulator holds what was asked for.
``operations``: the operations of the control API.
``http``: the operations over HTTP.
``guard``: who may use them.
``openapi``: the document that describes them.
``event_feed``: the latest events, for readers that follow them.
``command_options``: options that several commands share.
``program``: a program that runs servers until a signal.
``ctl``: ``spu-simulator ctl``, the operations from a terminal.
``page.html``: the page for people.
"""
