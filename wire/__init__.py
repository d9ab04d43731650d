"""The Fluvio wire protocol, sans-IO: bytes in, messages out.

``codec``: encoders and decoders, generated from declared messages.
``api``: one module for each API: its request, its response and their versions.
``batch``: record batches and records.
``record_set``: batches in a row, as an SPU reads and stores them.
``compression``: the codecs of a batch's payload.
``error_code``: the error codes of Fluvio.
``framing``: frames of requests and responses.
``connection``: both sides of one connection: framing, versions and correlation ids.
``registry``: registries of fault kinds, APIs, checks and other extensible sets.
``address``: addresses such as ``host:port``.
``duration``: durations such as ``50ms``.
``semver``: versions after semver.org.
``topic_name``: the names that a topic may have.
``profile``: the profile file of Fluvio as data.
``launch``: the start of the commands.
``reference``: ``docs/wire.md``, generated from the declared messages.
"""
