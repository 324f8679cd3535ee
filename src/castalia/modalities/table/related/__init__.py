"""Rows that belong together: those of one table to a row of another, or to one entity in time."""
