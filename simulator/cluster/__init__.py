"""simulator/cluster."""
