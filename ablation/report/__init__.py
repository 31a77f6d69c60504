"""Output for readers: tables, figures, warnings and the HTML report, and the verification of tables."""
