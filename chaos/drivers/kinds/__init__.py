"""One module per kind of driver: importing this package registers all of them."""

import sys

from wire.registry import import_all

import_all(sys.modules[__name__])
