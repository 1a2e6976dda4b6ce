"""Plans and runs any DVC repository."""
