"""Readers and writers of files of scores."""
