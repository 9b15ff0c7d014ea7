"""Serve the guarded application by a call of `waitress.serve`, as a program of one's own would.

The guard is given no setting to read while it is built: waitress gets the application, and its threads, afterwards.
"""

import logging
import sys

import waitress

from site_hgweb import application
from threadguard import ThreadGuard

logging.basicConfig(level=logging.INFO)  # waitress says then where it serves
waitress.serve(ThreadGuard(application), listen="127.0.0.1:0", threads=int(sys.argv[1]))
