#!/usr/bin/env bash
# Sets up what compiles the filters: Rust's standard library for wasm32-wasip1.
#
# The toolchain's own copy is used where there is one, or where rustup can download it. Elsewhere Debian's packages do:
# its compiler for the web builds the standard library from source. `filters/build.sh` finds out again which it is.
set -euo pipefail

target=wasm32-wasip1

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
has_debian() { [ -x /usr/bin/rustc ] && [ -d /usr/lib/wasm32-wasi ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]; }

if has_target || has_debian; then
    exit 0
fi
if ! command -v cargo >/dev/null; then
    echo "setup: Rust is missing. Install it with rustup (https://rustup.rs), then run this again." >&2
    exit 1
fi
if command -v rustup >/dev/null; then
    echo "setup: adding the Rust target $target"
    if rustup target add "$target" >/dev/null 2>&1 && has_target; then
        exit 0
    fi
    echo "setup: rustup could not download it"
fi
if command -v apt-get >/dev/null; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    echo "setup: installing Debian's rustc-web, rust-web-src and wasi-libc"
    log=$(mktemp)
    if { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends rustc-web rust-web-src wasi-libc; } >"$log" 2>&1 && has_debian; then
        rm -f "$log"
        exit 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
fi
cat >&2 <<MESSAGE
setup: the filters need Rust's standard library for $target, and it could not be installed.
  With rustup:    rustup target add $target
  On Debian:      apt-get install rustc-web rust-web-src wasi-libc   (Debian 12 or later)
MESSAGE
exit 1
