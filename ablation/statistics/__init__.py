"""Numbers of rows to what may be said of them: scores, intervals, tests, agreement. No file is read here."""
