"""One file a library: its model of a case, with our weights in it, and one step of it.

Imported only in the child process that runs it. What a file imports at its top counts as the
library's import, what `build` makes counts as its memory.
"""
