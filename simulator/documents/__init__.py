"""simulator/documents."""
