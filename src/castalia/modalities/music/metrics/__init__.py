"""What is measured of scores."""
