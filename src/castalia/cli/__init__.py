"""The command line: main.py and one file per verb, imported only when that verb runs."""
