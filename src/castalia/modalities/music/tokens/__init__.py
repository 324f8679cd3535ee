"""Scores as what models see: grid, events, chords, piano roll."""
