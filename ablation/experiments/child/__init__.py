"""Children: the processes of trainings that are no code of this package."""
