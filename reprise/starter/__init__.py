"""Writes what a DVC repository needs to get reports on its pull requests."""
