"""Random draws that depend on what they are about and on nothing else.

The naive way draws from one random generator whenever a frame comes by. Then a verdict depends on
everything that was drawn before it: another connection that is a little faster, or one more fault
in the list, changes all verdicts that follow, and neither a replay nor shrinking is worth anything.
Here a draw is a hash of its subject: the seed, the fault's name, the cut point, the place (a topic
and partition, or a connection) and the ordinal.
"""

from hashlib import blake2b


class Draws:
    """The draws of one fault at one cut point.

    Args:
        seed: where they all come from.
        name: the fault's name.
        at: the cut point.
    """

    __slots__ = ("_common",)

    def __init__(self, seed: int, name: str, at: str) -> None:
        # Fed once with the parts that never change; a draw feeds the rest to a copy.
        self._common = blake2b(_encoded(seed, name, at), digest_size=16)

    def of_partition(self, topic: str, partition: int, ordinal: int) -> tuple[float, float]:
        """Two independent draws from [0, 1) for an exchange that counts for a partition."""
        return self._pair("partition", topic, partition, ordinal)

    def of_connection(self, connection: int, ordinal: int) -> tuple[float, float]:
        """Two independent draws from [0, 1) for an exchange that counts for its connection.

        Ordinals of connections all start at 1. Without the connection's number in the draw they
        would all share their fate: a seed that is unlucky for the first request would hit the first
        request of every connection for ever, and no client could start.
        """
        return self._pair("connection", connection, ordinal)

    def _pair(self, *parts: str | int) -> tuple[float, float]:
        state = self._common.copy()
        state.update(_encoded(*parts))
        digest = state.digest()
        return _unit(digest[:8]), _unit(digest[8:])


def _encoded(*parts: str | int) -> bytes:
    """The parts as bytes that no other parts give: each with its length before it."""
    encoded = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([b"%d:%b" % (len(each), each) for each in encoded])


def _unit(data: bytes) -> float:
    """A float in [0, 1) from eight bytes: 53 bits are what a float holds exactly."""
    return (int.from_bytes(data, "big") >> 11) * 2.0**-53
