"""chaos/spec."""
