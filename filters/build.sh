#!/usr/bin/env bash
# Builds the three filters into target/filters/*.wasm.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-wasip1
packages=(-p provider-select -p prompt-guard -p token-counter)
sysroot=$(rustc --print sysroot)
# A target directory of its own: the flags differ from those of native builds, which would be thrown away each time.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/wasm

if [ -d "$sysroot/lib/rustlib/$target/lib" ]; then
    cargo build --profile wasm --target "$target" "${packages[@]}"
else
    # Debian's compiler, with the standard library built from its source. The native toolchain lends its linker.
    host=$(rustc -vV | sed -n 's/^host: //p')
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_WASIP1_LINKER="$sysroot/lib/rustlib/$host/bin/rust-lld" \
        RUSTFLAGS="-C link-self-contained=no -L /usr/lib/wasm32-wasi -C target-feature=+crt-static" \
        cargo build --profile wasm --target "$target" -Zbuild-std=std,panic_abort "${packages[@]}"
fi

out=$(dirname "$CARGO_TARGET_DIR")/filters
mkdir -p "$out"
for filter in provider_select prompt_guard token_counter; do
    built=$CARGO_TARGET_DIR/$target/wasm/$filter.wasm
    named=$out/${filter//_/-}.wasm
    # Envoy may be reading the old file: replace it in one step, and only if it changed.
    cmp -s "$built" "$named" || { cp "$built" "$named.new" && mv "$named.new" "$named"; }
done
