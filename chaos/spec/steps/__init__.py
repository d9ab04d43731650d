"""One module for each step of a workload; importing the package registers all of them."""

import sys

from wire.registry import import_all

import_all(sys.modules[__name__])
