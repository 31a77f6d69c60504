"""The command experiment: each training is one call of a user's command."""
