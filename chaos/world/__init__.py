"""chaos/world."""
