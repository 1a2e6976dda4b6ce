"""Shows what changed between two revisions, and whether the metrics really moved."""
