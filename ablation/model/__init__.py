"""Typed values shared by all packages: tables, figures, warnings. Nothing is drawn or computed here."""
