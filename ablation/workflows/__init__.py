"""The work of whole commands, from what was asked to what is on disk: prepare, run, forecast, evaluate."""
