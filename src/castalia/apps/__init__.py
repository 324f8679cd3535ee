"""Tools for a purpose, each a folder: what they say is computed or checked, not believed."""
