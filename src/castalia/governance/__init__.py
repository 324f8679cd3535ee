"""What may leave, and what it carries with it."""
