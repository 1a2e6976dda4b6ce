"""Retraining that only ever proposes a better model."""
