"""Features and metrics of sounds."""
