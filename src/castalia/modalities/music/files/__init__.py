"""Files of scores: reading and writing."""
