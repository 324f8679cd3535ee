"""Layers that families share: no losses, no files, no modalities."""
