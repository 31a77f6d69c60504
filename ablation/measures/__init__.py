"""What a number means: its title, unit, direction and kind, and how it follows from examples."""
