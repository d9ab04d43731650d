"""chaos/oracle."""
