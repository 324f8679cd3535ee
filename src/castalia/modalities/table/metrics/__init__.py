"""Scores of tables."""
