"""Kinds of columns, one file each: what a cell means, as tokens and back."""
