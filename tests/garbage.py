"""What a call leaves to the garbage collector."""

import gc
from collections.abc import Callable


def garbage_of(call: Callable[[], object]) -> int:
    """Return how many objects a call leaves in cycles: the least of a few calls, since another
    thread of the process may leave some too.
    """
    left = []
    gc.disable()
    gc.collect()
    gc.freeze()  # what earlier tests left is not collected
    try:
        for _ in range(5):
            call()
            left.append(gc.collect())
    finally:
        gc.unfreeze()
        gc.enable()
    return min(left)
