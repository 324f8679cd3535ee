"""Reports in which every number comes from cells of a table, and a checker that finds any other."""

from castalia.apps.report.writing import Report, report

__all__ = ["Report", "report"]
