"""Workflows of whole commands, from their options to the files on disk: prepare, run, forecast, evaluate."""
