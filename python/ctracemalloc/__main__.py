"""`python -m ctracemalloc`."""

import sys

from ctracemalloc._cli import main

if __name__ == "__main__":
    sys.exit(main())
