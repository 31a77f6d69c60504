"""Execution of trainings: slots, worker pools, plans, costs, attempts, and the worker's side of a job."""
