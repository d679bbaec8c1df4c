#!/usr/bin/env bash
# What a release needs besides `scripts/test.sh` and `scripts/test-portability.sh`: `scripts/test-publish.sh
# [CHECK ...]`, all of them by default. CONTRIBUTING.md has the order of a release.
#
#   package  every crate is packaged and built from its own archive, the others' archives standing in for the registry
#   archive  the library's archive, unpacked elsewhere: its tests without adapters, and an example
#   msrv     each crate compiles with the Rust that its manifest states, and the dependencies of Cargo.lock
#   deny     licences, sources, duplicates and advisories (deny.toml); needs cargo-deny
#   api      what the libraries make public is what tests/api/ says; needs a nightly toolchain and cargo-public-api.
#            DROPCONNECT_WRITE_API=1 writes those files anew
#   fuzz     every fuzz target is built, and runs for FUZZ_SECONDS (30); needs a nightly toolchain and cargo-fuzz
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# So that the builds for this machine stay warm.
export CARGO_TARGET_DIR="$PWD/target/publish"

check_package() {
    cargo package --workspace --locked
}

check_archive() {
    local version work
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    work=$(mktemp -d)
    cargo package --package dropconnect --no-verify --locked
    tar xzf "$CARGO_TARGET_DIR/package/dropconnect-$version.crate" -C "$work"
    (
        cd "$work/dropconnect-$version"
        cargo test --no-default-features --lib --example cpu
        cargo run --no-default-features --example cpu
    )
    rm -rf "$work"
}

check_msrv() {
    local manifest package version
    command -v rustup >/dev/null || { echo "rustup is missing, which has older toolchains" >&2; return 1; }
    for manifest in Cargo.toml crates/dropconnect-{testing,cli,burn}/Cargo.toml; do
        package=$(sed -n 's/^name = "\(dropconnect.*\)"$/\1/p' "$manifest" | head -n 1)
        # Its own, or the workspace's.
        version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$manifest" Cargo.toml | head -n 1)
        [[ -n "$version" ]] || { echo "$manifest states no Rust" >&2; return 1; }
        echo "$package: Rust $version"
        rustup toolchain install "$version" --profile minimal >/dev/null
        cargo "+$version" check --locked --package "$package"
    done
}

check_deny() {
    command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install cargo-deny" >&2; return 1; }
    cargo deny check
}

check_api() {
    local package now changed=0
    # The form of rustdoc's JSON changes with the toolchain, the text that this makes of it does not.
    cargo public-api --version >/dev/null 2>&1 \
        || { echo "cargo-public-api is missing: cargo install --locked cargo-public-api" >&2; return 1; }
    for package in dropconnect dropconnect-burn; do
        # Without what every type has: blanket, automatic and derived implementations.
        now=$(cargo +nightly public-api --package "$package" -sss)
        if [[ "${DROPCONNECT_WRITE_API:-}" == 1 ]]; then
            echo "$now" > "tests/api/$package.txt"
        else
            diff -u "tests/api/$package.txt" - <<<"$now" || changed=1
        fi
    done
    ((changed == 0)) || { echo "the public API has changed: see DROPCONNECT_WRITE_API above" >&2; return 1; }
}

check_fuzz() {
    local target
    command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; return 1; }
    cargo +nightly --version >/dev/null 2>&1 \
        || { echo "a nightly toolchain is missing: rustup toolchain install nightly" >&2; return 1; }
    cargo +nightly fuzz build
    for target in $(cargo +nightly fuzz list); do
        # What is found meanwhile goes into the first folder.
        mkdir -p "fuzz/corpus/$target"
        cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
            -max_total_time="${FUZZ_SECONDS:-30}" -timeout=20 -malloc_limit_mb=600
    done
}

(($#)) || set -- package archive msrv deny api fuzz
for check in "$@"; do
    declare -F "check_$check" >/dev/null || { echo "no check \`$check\`" >&2; exit 2; }
done
set -x
for check in "$@"; do
    "check_$check"
done
