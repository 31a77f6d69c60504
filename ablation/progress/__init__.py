"""Progress of a run: for the terminal, for a second terminal, and for scripts."""
