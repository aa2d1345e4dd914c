"""Benchmarks of perceivers side by side with other libraries: `python -m benchmarks`."""
