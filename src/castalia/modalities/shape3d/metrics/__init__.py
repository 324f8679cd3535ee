"""Scores that only shapes have."""
