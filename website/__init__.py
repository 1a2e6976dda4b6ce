"""Builds the pages of docs/ that are read off the code."""
