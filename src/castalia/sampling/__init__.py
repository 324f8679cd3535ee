"""New items from a trained model, and edits of given ones."""
