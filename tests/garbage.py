"""What a call leaves to the garbage collector."""

import gc
from collections.abc import Callable


def garbage_of(call: Callable[[], object]) -> int:
    """Return how many objects a call leaves in cycles.

    It is the least of a few calls: another thread, and what earlier tests left, may add to one.
    """
    left = []
    gc.disable()
    try:
        for _ in range(5):
            gc.collect()
            call()
            left.append(gc.collect())
    finally:
        gc.enable()
    return min(left)
