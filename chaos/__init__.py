"""The experiment: clients on trial against the simulator."""
