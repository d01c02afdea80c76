"""`python -m ctracemalloc`."""

import sys

from ctracemalloc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
