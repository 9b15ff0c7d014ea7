"""``python -m threadguard``."""

import sys

from threadguard.cli import main

if __name__ == "__main__":
    sys.exit(main())
