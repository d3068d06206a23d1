"""Figures, tables and pages that show what a model is worth, and what it says of a user's own pictures."""
