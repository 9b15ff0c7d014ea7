#!/usr/bin/env bash
# Install Kallithea 0.7.0 with threadguard from this checkout, and run the tests of this directory against it.
#
# Usage: tests/kallithea/run.sh [PYTEST-ARGUMENT...]      (see install.sh for its environment variables)
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$(tests/kallithea/install.sh)
exec "$venv/bin/python" -m pytest tests/kallithea "$@"
