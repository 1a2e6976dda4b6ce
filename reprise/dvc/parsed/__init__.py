"""Keeps what was parsed for later processes, by the content of the files."""
