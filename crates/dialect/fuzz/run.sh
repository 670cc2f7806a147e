#!/usr/bin/env bash
# Fuzzes each target for a while: run.sh SECONDS [TARGET ...]. Begins with the files of ../tests/data and with what earlier runs have
# kept in target/fuzz/corpus; an input that fails is left in target/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")"
command -v c++ >/dev/null || {
    echo "fuzz: libFuzzer needs a C++ compiler. On Debian: apt-get install g++" >&2
    exit 1
}
seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(sse event_stream read_request read_answer translate_request translate_answer)

folder=$(realpath ../../..)/target/fuzz
# What cargo-fuzz sets but for the address sanitizer, which needs a nightly compiler and finds nothing in code without `unsafe`.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1"
machine=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --release --target "$machine" --target-dir "$folder"

# The first byte of an input says to some targets how the rest is cut. Three of a kind: plain, streamed, an error.
seeds=$folder/seeds
rm -rf "$seeds" && mkdir -p "$seeds"
number=0
for file in $(find ../tests/data -type f | sort); do
    number=$((number + 1))
    cp "$file" "$seeds/$number"
    for first in '\x05' '\x85' '\x45'; do
        { printf "$first" && cat "$file"; } >"$seeds/$number-${first#\\x}"
    done
done

for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target" "$folder/artifacts/$target"
    echo "fuzz: $target for $seconds s"
    "$folder/$machine/release/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -max_len=65536 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="$folder/artifacts/$target/" "$folder/corpus/$target" "$seeds" 2>&1 |
        { grep -E "number_of_executed_units|panicked|ERROR|Test unit written" || true; }
    [ "${PIPESTATUS[0]}" -eq 0 ] || exit 1
done
