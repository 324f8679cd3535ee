"""Advice: what a user should know before computing begins. Today: check, which looks at data."""
