"""Storage: paths, atomic files and locks of a workspace, and its records, results and checkpoints."""
