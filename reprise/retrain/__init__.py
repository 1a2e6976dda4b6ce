"""Trains again on new data, and only ever proposes a better model."""
