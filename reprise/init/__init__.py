"""Adds to a DVC repository what reports on its pull requests need, and overwrites nothing."""
