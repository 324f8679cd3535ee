"""Scores of series: forecasts of held-out ones, and drawn ones beside real ones."""
