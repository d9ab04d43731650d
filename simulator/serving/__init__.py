"""simulator/serving."""
