"""The report: one page, and its parts."""
