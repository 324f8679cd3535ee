"""Sampling from trained models, and edits of given items."""
