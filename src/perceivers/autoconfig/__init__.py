"""Inspect a folder or a table and choose a recipe for it. Imports no torch at module level."""
