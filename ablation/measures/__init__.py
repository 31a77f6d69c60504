"""Measures: title, unit, direction and kind of a number, and its computation from examples."""
