#!/usr/bin/env bash
# Installs the gateways that the benchmark compares with into .tools/peers, each from its package.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers=.tools/peers
mkdir -p "$peers"
if [ ! -x "$peers/litellm/bin/litellm" ]; then
    echo "setup: installing LiteLLM"
    python3 -m venv "$peers/litellm"
    "$peers/litellm/bin/pip" install --quiet --disable-pip-version-check 'litellm[proxy]==1.106.2'
fi
if [ ! -d "$peers/portkey/node_modules/@portkey-ai/gateway" ]; then
    echo "setup: installing Portkey's gateway"
    mkdir -p "$peers/portkey"
    npm install --silent --no-audit --no-fund --prefix "$peers/portkey" @portkey-ai/gateway@1.15.2
fi
if [ ! -x "$peers/noveum/bin/noveum-ai-gateway" ]; then
    echo "setup: building Noveum's gateway"
    cargo install --quiet --root "$peers/noveum" --version 2.0.1 noveum-ai-gateway
fi
