"""What ``python -m chaos`` does: one module for each command, and what they share."""
