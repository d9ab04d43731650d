"""The only error of ``wire``: invalid bytes or an invalid message."""


class WireError(Exception):
    """Bytes from a peer that cannot be decoded, or a message that cannot be encoded.

    The data is at fault, never this program: a server closes the connection that sent the data, and
    a client abandons the connection. The message says what was expected and where. Any other
    exception from ``wire`` is a defect of ``wire``.
    """
