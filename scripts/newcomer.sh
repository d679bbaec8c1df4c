#!/usr/bin/env bash
# The path of somebody who has just heard of this: a clone, the first table, a program of their own, a kernel in an
# engine; each with the time it takes from nothing compiled. It types what README.md says. usage: scripts/newcomer.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

repository=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
cd "$work"

commands=0
# step NAME COMMAND...: runs the command, and says how long it took.
step() {
    local name=$1 start=$SECONDS
    shift
    "$@" > "$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; echo "$name: failed" >&2; exit 1; }
    commands=$((commands + 1))
    printf '%4d s  %s\n' "$((SECONDS - start))" "$name"
}

step "git clone" git clone --quiet "$repository" dropconnect
cd dropconnect
step "the first table: cargo run --release" cargo run --release
grep -q 'masked G/s' "$work/log" || { cat "$work/log" >&2; exit 1; }
cd ..
step "cargo new first" cargo new --quiet first
cd first
step "cargo add dropconnect --path ../dropconnect" cargo add --quiet dropconnect --path ../dropconnect
# The first program of README.md, typed.
awk '/^```rust$/ { on = 1; next } /^```/ { if (on) exit } on' ../dropconnect/README.md > src/main.rs
step "the first program: cargo run" cargo run
grep -q '^computing on ' "$work/log" || { cat "$work/log" >&2; exit 1; }
cd ../dropconnect
step "the first kernel in an engine: cargo run --release --example embed" cargo run --release --example embed
echo "$commands commands, $SECONDS s in all"
