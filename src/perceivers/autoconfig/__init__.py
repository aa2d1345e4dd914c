"""What looks at a folder or a table and chooses a recipe for it. Imports no torch at the top."""
