"""Files of meshes, read and written without other packages: one module for each format."""
