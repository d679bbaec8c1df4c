#!/usr/bin/env bash
# Builds the page in web/ into target/web, a folder that any web server can serve as it is: `scripts/build-web.sh`, then
# for example `python3 -m http.server --directory target/web`. Needs Rust alone: the target comes from rustup or is
# compiled from source, and wasm-bindgen's program is compiled if it is not there in the version of web/Cargo.lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh
source scripts/portability/std.sh
target="${CARGO_TARGET_DIR:-$PWD/target}/portability"
out=$PWD/target/web
export CARGO_TARGET_DIR=$target

not_run() {
    echo "scripts/build-web.sh: $*" >&2
    exit 1
}

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' web/Cargo.lock)
bindgen=$(command -v wasm-bindgen || true)
if [[ -z "$bindgen" || "$("$bindgen" --version)" != "wasm-bindgen $version" ]]; then
    bindgen=$target/wasm-bindgen-$version/bin/wasm-bindgen
    [[ -x "$bindgen" ]] || cargo install --quiet wasm-bindgen-cli --version "$version" --root "${bindgen%/bin/*}"
fi

find_std wasm32-unknown-unknown std,panic_abort
# Every browser that has WebGPU has these.
export RUSTFLAGS="-Ctarget-feature=+simd128"
cargo build --release --locked --manifest-path web/Cargo.toml "${std[@]}"
rm -rf "$out"
mkdir -p "$out"
cp web/page/* "$out"
"$bindgen" --target web --no-typescript --out-dir "$out" \
    "$target/wasm32-unknown-unknown/release/dropconnect_web.wasm"
echo "the page is in target/web:"
(cd "$out" && wc -c -- *)
