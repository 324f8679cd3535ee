"""Trained models in the formats of other programs, written with code of our own."""
