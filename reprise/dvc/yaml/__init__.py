"""Reads and writes YAML: within limits, and where it is plain without ruamel.yaml."""
