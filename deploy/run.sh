#!/usr/bin/env bash
# Starts the gateway, service and Envoy together, until it is stopped.
#
# In front of what: of the file in WEIRGATE_CONFIG if that is set, of the providers whose keys are set
# (OPENAI_API_KEY, ANTHROPIC_API_KEY) if there are any, and else of the mock provider, which needs no account.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PWD/.tools/bin:$PATH"
weirgate=${WEIRGATE:-target/debug/weirgate}
mock=${MOCK_PROVIDER:-target/debug/mock-provider}

case "${OPENAI_API_KEY:+openai} ${ANTHROPIC_API_KEY:+anthropic}" in
    "openai anthropic") config=deploy/weirgate.yaml ;;
    "openai ") config=deploy/openai.yaml ;;
    " anthropic") config=deploy/anthropic.yaml ;;
    *) config= ;;
esac
config=${WEIRGATE_CONFIG:-$config}

# Whoever has a file of their own may have keys in it.
if [ -z "${WEIRGATE_KEY:-}" ] && { [ -z "$config" ] || grep -qs WEIRGATE_KEY "$config"; }; then
    WEIRGATE_KEY=wg-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    export WEIRGATE_KEY
    echo "WEIRGATE_KEY is not set, so here is a key for this run. To use it in another terminal:"
    echo
    echo "  export WEIRGATE_KEY=$WEIRGATE_KEY"
    echo
fi

if [ -n "$config" ]; then
    echo "Configuration: $config"
    exec "$weirgate" up --config "$config"
fi

# The gateway and the mock are children, so that the mock and its folder can be removed when the gateway has ended.
folder=$(mktemp -d)
gateway=
provider=
clean_up() {
    [ -z "$provider" ] || kill "$provider" 2>/dev/null || true
    rm -rf "$folder"
}
stop() {
    [ -n "$gateway" ] || exit 143
    kill -TERM "$gateway" 2>/dev/null || true
}
trap clean_up EXIT
trap stop TERM INT HUP

"$mock" --listen 127.0.0.1:0 --port-file "$folder/port" >"$folder/mock.log" 2>&1 &
provider=$!
for _ in $(seq 100); do
    [ ! -e "$folder/port" ] || break
    kill -0 "$provider" 2>/dev/null || break
    sleep 0.05
done
if [ ! -e "$folder/port" ]; then
    echo "the mock provider did not start:" >&2
    cat "$folder/mock.log" >&2
    exit 1
fi
port=$(cat "$folder/port")
export MOCK_URL=http://127.0.0.1:$port
export WEIRGATE_PORT=${WEIRGATE_PORT:-8080}
export WEIRGATE_ADMIN_PORT=${WEIRGATE_ADMIN_PORT:-9900}
export WEIRGATE_LEDGER=${WEIRGATE_LEDGER:-$folder/ledger.jsonl}
echo "Neither OPENAI_API_KEY nor ANTHROPIC_API_KEY is set: answers come from a mock provider."
echo "Configuration: deploy/weirgate.mock.yaml"
echo "Ledger:        $WEIRGATE_LEDGER"
echo

"$weirgate" up --config deploy/weirgate.mock.yaml &
gateway=$!
status=0
wait "$gateway" || status=$?
# A signal ends the first wait early, before the gateway has ended.
while kill -0 "$gateway" 2>/dev/null; do
    status=0
    wait "$gateway" || status=$?
done
exit "$status"
