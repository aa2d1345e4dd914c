"""Steps of each library, one file per library: its model of a case with our weights.

Each file is imported only in the child process that runs it. Memory of the modules that a file
imports at its top counts as memory of the imports; memory that `build` allocates counts as the
library's own.
"""
