"""Findings to tables, report and exports; and back again: every number of a table is verified."""
