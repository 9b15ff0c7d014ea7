"""``python -m threadguard``."""

import os
import sys

from threadguard.cli import main

if __name__ == "__main__":
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # -m puts it there: a waitress.py beside the file that is checked is not waitress
    sys.exit(main())
