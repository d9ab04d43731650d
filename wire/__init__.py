"""The Fluvio wire protocol, sans-IO: bytes in, messages out."""
