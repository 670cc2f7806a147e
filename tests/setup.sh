#!/usr/bin/env bash
# Sets up what the end-to-end tests need: the official client SDKs, in .tools/venv.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/requirements.txt
done=.tools/venv/requirements.txt
cmp -s "$wanted" "$done" && exit 0
if ! python3 -c 'import venv' 2>/dev/null; then
    echo "setup: Python 3.10 or later with venv is missing. On Debian: apt-get install python3-venv" >&2
    exit 1
fi
echo "setup: installing the client SDKs for the tests"
python3 -m venv .tools/venv
.tools/venv/bin/pip install --quiet --disable-pip-version-check -r "$wanted"
cp "$wanted" "$done"
