"""The memory that a simulator may take, as one budget for all that peers make grow."""

import logging

MEMORY_BYTES = 1024**3
"""What a simulator may take unless it is told otherwise: a small CI machine has 4 GiB."""

BATCH_OVERHEAD_BYTES = 256
"""What a stored batch takes besides its bytes: Python's object around them, its places in lists and
tables. A batch without records is 61 bytes long, so the overhead may be the larger part."""


logger = logging.getLogger("simulator")


class Memory:
    """The budget of one simulator.

    Stored batches and SmartModules may take three quarters of it; the rest is for frames that
    arrive and answers that leave (``simulator/serving/transit.py``).

    Args:
        bytes_max: the whole budget, in bytes.
    """

    def __init__(self, bytes_max: int = MEMORY_BYTES) -> None:
        self.bytes_max = bytes_max
        self.stored_max = bytes_max - bytes_max // 4
        self.transit_max = bytes_max - self.stored_max
        self.stored = 0
        """Bytes that stored batches and SmartModules are charged with."""
        self._told = False
        """Whether it was said that there is no more."""

    @staticmethod
    def charge(batches: int, size: int) -> int:
        """What batches cost.

        Args:
            batches: how many there are.
            size: their bytes.
        """
        return batches * BATCH_OVERHEAD_BYTES + size

    def store(self, batches: int, size: int) -> bool:
        """Charge batches that are to be stored, if there is room; returns whether there was."""
        charge = self.charge(batches, size)
        if self.stored + charge > self.stored_max:
            if not self._told:
                self._told = True
                logger.warning(
                    "the memory is full: %d of %d bytes hold what is stored; appends are"
                    " answered with PartitionFull",
                    self.stored,
                    self.bytes_max,
                )
            return False
        self.stored += charge
        return True
