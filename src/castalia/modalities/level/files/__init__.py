"""Files of levels: text grids, and maps of the editor Tiled."""
