"""What a study asks for: rows, their factors and levels, and the record of what they rest on."""
