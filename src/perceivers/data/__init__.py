"""Data sets: from folders, tables and published files to labelled examples and their splits."""
