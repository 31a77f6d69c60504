"""Scores, intervals, tests and agreement, computed from arrays. No module of this package reads a file."""
