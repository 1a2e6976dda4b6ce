"""Writes values as text, for people: plain, and as Markdown."""
