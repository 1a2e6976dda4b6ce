"""Keeps what a plan found of each stage, and finds the next time which of that still stands.

Where all that moved are files that some stages read or write, params of some, or their entries in
dvc.lock, only those stages are asked about again; all others stand as they were recorded.
"""
