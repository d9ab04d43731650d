"""Random draws that depend on their subject alone.

The naive approach draws from one random generator for each frame. Then a verdict depends on all
earlier draws: a slightly faster connection, or one more fault in the list, changes every later
verdict, and neither replay nor shrinking works. Here a draw is a hash of its subject: the seed, the
name of the fault, the cut point, the topic and partition (or the connection), and the ordinal.
"""

from hashlib import blake2b


class Draws:
    """The draws of one fault at one cut point.

    Args:
        seed: the random seed.
        name: the name of the fault.
        at: the cut point.
    """

    __slots__ = ("_common",)

    def __init__(self, seed: int, name: str, at: str) -> None:
        # The hash state of the constant parts; a draw updates a copy with the other parts.
        self._common = blake2b(_encoded(seed, name, at), digest_size=16)

    def of_partition(self, topic: str, partition: int, ordinal: int) -> tuple[float, float]:
        """Return two independent draws from [0, 1) for an exchange that counts for a partition."""
        return self._pair("partition", topic, partition, ordinal)

    def of_connection(self, connection: int, ordinal: int) -> tuple[float, float]:
        """Return two independent draws from [0, 1) for an exchange that counts for its connection.

        The ordinals of every connection start at 1. Without the connection's number in the draw,
        a seed that strikes the first request of one connection would strike the first request of
        every connection, and no client could start.
        """
        return self._pair("connection", connection, ordinal)

    def of_push(self, topic: str, partition: int, ordinal: int, push: int) -> tuple[float, float]:
        """Return two independent draws from [0, 1) for a later response of an exchange that counts
        for a partition, by its position among these from 1."""
        return self._pair("push", topic, partition, ordinal, push)

    def of_news(self, connection: int, ordinal: int, news: int) -> tuple[float, float]:
        """Return two independent draws from [0, 1) for a later answer of such an exchange, by its
        position among these from 1."""
        return self._pair("news", connection, ordinal, news)

    def _pair(self, *parts: str | int) -> tuple[float, float]:
        state = self._common.copy()
        state.update(_encoded(*parts))
        digest = state.digest()
        return _unit(digest[:8]), _unit(digest[8:])


def _encoded(*parts: str | int) -> bytes:
    """Encode the parts injectively: each part follows its length."""
    encoded = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([b"%d:%b" % (len(each), each) for each in encoded])


def _unit(data: bytes) -> float:
    """Return a float in [0, 1) from eight bytes; a float holds 53 bits exactly."""
    return (int.from_bytes(data, "big") >> 11) * 2.0**-53
