"""producer/delivery."""
