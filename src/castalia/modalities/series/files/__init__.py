"""Files of series: reading, writing, and what tells them from other tables."""
