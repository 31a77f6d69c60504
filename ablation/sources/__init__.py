"""Results that exist already: readers of their sources, and the rows of a study that their runs make."""
