"""Experiment of a study file: a Python function of the user, in the user's interpreter."""
