#!/usr/bin/env bash
# Records this machine's figures: verification first, then the benchmark in every element type, as JSON, HTML,
# CSV, Markdown and text, then curves, then the fastest kernel shapes. usage: scripts/bench-gpu.sh [OUTPUT FOLDER]
# [dropconnect options, such as --adapter NAME]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:-bench-results}
shift || true
mkdir -p "$out"
cargo build --release -p dropconnect-cli
run() { cargo run --quiet --release -p dropconnect-cli -- "$@"; }

run adapters "$@" | tee "$out/adapters.txt"
run verify --device gpu "$@" | tee "$out/verify.txt"
run bench --device gpu "$@" \
    --shape 128,1024,1024 --shape 128,800,784 --shape 1024,4096,4096 --shape 100,1001,777 \
    --p 0.5 --p 0.2 --element f32 --element f16 --element bf16 \
    --json "$out/bench.json" --html "$out/bench.html" --csv "$out/bench.csv" --markdown "$out/bench.md" \
    | tee "$out/bench.txt"
# How time and memory grow.
run bench --device gpu "$@" --shape 512,2048,2048 --sweep batch --sweep outputs --sweep inputs --p 0.5 --pass forward \
    --json "$out/curves.json" --html "$out/curves.html" | tee "$out/curves.txt"

# The kernel shapes that are fastest here, at p = 1/2 and at any p: what the defaults should become.
for p in 0.5 0.2; do
    for shape in 128,1024,1024 1024,4096,4096 16,512,512; do
        run bench --device gpu "$@" --tune --shape "$shape" --p "$p" --json "$out/tuned-$p-$shape.json" \
            2>&1 | tee "$out/tuned-$p-$shape.txt"
    done
done
