"""Figures for the docs: how fast the simulator and the codec are. Never a test."""
