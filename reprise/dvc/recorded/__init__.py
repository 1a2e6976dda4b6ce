"""Stages as an earlier plan recorded them: DVC's own objects are made only of those that moved."""
