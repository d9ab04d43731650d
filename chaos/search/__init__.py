"""chaos/search."""
