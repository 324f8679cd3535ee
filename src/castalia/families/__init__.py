"""Families of generative models, one file each with its whole mathematics. Families never know the
modality.
"""
