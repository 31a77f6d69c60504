"""What trainings left behind on disk: results and checkpoints, the selection and its seal, findings over all of it."""
