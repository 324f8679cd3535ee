"""The verbs of Castalia as functions, which Python, the command line and the server call."""
