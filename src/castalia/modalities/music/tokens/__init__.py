"""Forms of scores that models see: grid, events, chords, piano roll."""
