"""Checks of data before training: `castalia check`."""
