"""simulator/faults."""
