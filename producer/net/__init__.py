"""producer/net."""
