"""Features in which pictures are compared."""
