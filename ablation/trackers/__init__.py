"""Trackers: copies of the results in Optuna and MLflow. No table is computed from these copies."""
