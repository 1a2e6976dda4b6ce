"""Deals with what kills, edits and full disks left of files."""
