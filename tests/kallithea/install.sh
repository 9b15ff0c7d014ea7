#!/usr/bin/env bash
# Make a virtual environment with Kallithea 0.7.0 and with threadguard from this checkout, and print its path.
#
# Usage: tests/kallithea/install.sh
#   THREADGUARD_KALLITHEA_VENV    where to make it; .venv/kallithea of the checkout unless told
#   THREADGUARD_KALLITHEA_PYTHON  a Python from 3.9 to 3.11; the system's unless told, for mod_wsgi and uWSGI are
#                                 built for that one and Apache's user can read it
#
# An environment that is there is kept while its Python and the files it was made from have not changed. threadguard
# is installed afresh each time, as a user of Kallithea would: with pip below 24 and setuptools below 58.
set -euo pipefail
cd "$(dirname "$0")/../.."
. .ci/quiet

here=tests/kallithea
venv=${THREADGUARD_KALLITHEA_VENV:-.venv/kallithea}
say() { echo "$@" >&2; }

runs_kallithea() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info < (3, 12))' 2>/dev/null
}

find_python() {
    for python in ${THREADGUARD_KALLITHEA_PYTHON:-/usr/bin/python3 python3 python3.11 python3.10 python3.9}; do
        if runs_kallithea "$python"; then command -v "$python"; return; fi
    done
    for version in 3.11 3.10 3.9; do
        if python=$(.ci/find-python "$version") && runs_kallithea "$python"; then echo "$python"; return; fi
    done
    say "Kallithea 0.7 needs a Python from 3.9 to 3.11 with venv (Debian 12: python3-venv), or THREADGUARD_KALLITHEA_PYTHON"
    return 1
}

key() {
    "$1" -c 'import sys; print(sys.version, sys.executable)'
    cksum <"$here/constraints.txt"
    cksum <"$here/requirements.txt"
    cksum <"$here/install.sh"
}

python=$(find_python)
mkdir -p "$(dirname "$venv")"
if command -v flock >/dev/null; then exec 9>"$venv.lock"; flock 9; fi
export PIP_CONSTRAINT=$PWD/$here/constraints.txt
if [ "$(cat "$venv/.key" 2>/dev/null)" != "$(key "$python")" ]; then
    say "making $venv with $("$python" -V) and Kallithea 0.7.0"
    rm -rf "$venv"
    quiet "$python" -m venv "$venv"
    quiet "$venv/bin/python" -m pip install -U pip setuptools wheel
    quiet "$venv/bin/python" -m pip install -r "$here/requirements.txt"
    quiet "$venv/bin/python" -m pip install --no-deps --no-build-isolation Kallithea==0.7.0
    key "$python" >"$venv/.key"
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
.ci/copy "$copy"
quiet "$venv/bin/python" -m pip install --no-build-isolation --force-reinstall --no-deps "$copy"
quiet "$venv/bin/python" -m pip install --no-build-isolation "$copy[paste]"
echo "$venv"
