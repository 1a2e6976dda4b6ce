"""Records of a stage's inputs what its command read, though they may be edited meanwhile."""
