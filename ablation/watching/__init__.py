"""Who is told how far the work is, and how a study stands: for the screen, a second terminal, a script."""
