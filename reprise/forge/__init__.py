"""Comments on pull requests and opens them, at the forge that a repository lives at."""
