"""Constraints: what a text must be (regular expressions, JSON schemas), as automata and as grammars
over any vocabulary.
"""
