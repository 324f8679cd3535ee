"""Programs that exports carry as run.py. They run without Castalia, so they import nothing of it
and are never imported by it; they are only copied.
"""
