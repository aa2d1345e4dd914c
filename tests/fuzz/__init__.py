"""Seeded mutants of small valid files through the public functions: `python -m tests.fuzz`."""
