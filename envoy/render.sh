#!/usr/bin/env bash
# Renders the reference configurations of this folder from deploy/weirgate.yaml, or into another folder if one is given.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-envoy}
# Keys never stand in a rendered file, only the names of their variables; rendering just needs them set.
export OPENAI_API_KEY=unset ANTHROPIC_API_KEY=unset WEIRGATE_KEY=sixteen-characters-or-more
render=(target/debug/weirgate render --config deploy/weirgate.yaml --filters /etc/weirgate/filters)

write() {
    local file=$1
    shift
    { echo "# Rendered by envoy/render.sh from deploy/weirgate.yaml; a test holds it equal."; "${render[@]}" "$@"; } >"$out/$file"
}

write gateway.yaml
for filter in provider-select prompt-guard token-counter; do
    write "$filter.yaml" --only "$filter"
done
