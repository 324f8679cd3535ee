"""Histories: the rows of one table, by whom they are about and in time, as sequences of items."""
