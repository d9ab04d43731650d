"""The one error of the wire: bytes that do not mean what the protocol says."""


class WireError(Exception):
    """Bytes from a peer that cannot be decoded, or a message that cannot be encoded.

    It blames the data, never this program: a server closes the connection that sent it, a client
    gives the connection up. The text says what was expected and where. Anything else that escapes
    from ``wire`` is a defect in ``wire``.
    """
