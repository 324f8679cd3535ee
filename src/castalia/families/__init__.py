"""One file per family of generative models, each holding its whole mathematics. Families never
learn the modality.
"""
