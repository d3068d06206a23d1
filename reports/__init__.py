"""Figures that show what a classifier is worth."""
