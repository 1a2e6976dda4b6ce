"""Trains a recipe again with other seeds, aside, so that reports can tell a change from luck."""
