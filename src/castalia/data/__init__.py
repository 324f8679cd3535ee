"""Data: sources of items, the split, encoded items in a cache on disk, and batches."""
