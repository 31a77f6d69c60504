"""Readers of sources, one for each kind: all return their runs in the form of `sources.runs`."""
