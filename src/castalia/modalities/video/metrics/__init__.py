"""What clips are compared in."""
