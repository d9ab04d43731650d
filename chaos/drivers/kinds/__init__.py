"""One module for each kind of driver; importing the package registers all of them.

``producer``: our own producer, in the process of the harness.
``official``: the official Python client.
``official_rust``: the official Rust client.
``official_node``: the official Node client.
``command``: any program that speaks the client protocol.
"""

import sys

from wire.registry import import_all

import_all(sys.modules[__name__])
