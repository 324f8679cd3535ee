"""Text in files, whatever it is used for: encodings, documents, office files, rows of tables."""
