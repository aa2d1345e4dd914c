"""`python -m perceivers` is the command `perceivers`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
