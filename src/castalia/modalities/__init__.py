"""One folder for each kind of data. Nothing outside imports from here by name: castalia/modality.py
looks modalities up.
"""
