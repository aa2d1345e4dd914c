"""The recipes' engine, on Lightning."""
