"""Which trainings answer which trials, which of them are missing, and what they cost. Nothing is run here."""
