"""Tests of how a scenario is run."""
