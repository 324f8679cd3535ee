"""What one does with Castalia, as functions: Python, the command line and the server call the same
ones.
"""
