"""Optuna and MLflow, told what the files hold. Nothing is read from them that a table rests on."""
