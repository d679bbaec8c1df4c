#!/usr/bin/env bash
# Every check of this repository, on a machine that has Rust and nothing else. Needs an adapter, and a Python for the
# Python package: where no Vulkan driver or no Python is found, Mesa's software driver and python3-venv are installed
# (Debian, Ubuntu) or named (elsewhere).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh

fail() {
    echo "scripts/test.sh: $*" >&2
    exit 1
}

command -v cargo >/dev/null || fail "cargo is not found; install Rust from https://rustup.rs"

# Whether a driver that wgpu can use is there. Metal and DX12 come with their systems.
has_driver() {
    [[ "$(uname -s)" == Linux ]] || return 0
    [[ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]] || return 0
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || return 1
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null \
        || compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null
}

if ! has_driver; then
    packages=(mesa-vulkan-drivers libvulkan1)
    if ! command -v apt-get >/dev/null; then
        fail "no Vulkan driver; install Mesa's software driver: mesa-vulkan-drivers and vulkan-loader on" \
            "Fedora, vulkan-swrast and vulkan-icd-loader on Arch, mesa-vulkan-swrast on Alpine"
    fi
    echo "No Vulkan driver: installing ${packages[*]}"
    install_packages "${packages[@]}" || fail "no Vulkan driver, and none could be installed"
    has_driver || fail "${packages[*]} are installed, and still no Vulkan driver is found"
fi

# rustfmt and clippy are not part of every toolchain.
for component in fmt:rustfmt clippy:clippy; do
    if ! cargo "${component%%:*}" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo ${component%%:*} is missing, and so is rustup to add it"
        rustup component add "${component##*:}"
    fi
done

# A missing adapter is a failure from here on, not a test that is not run.
export DROPCONNECT_REQUIRE_ADAPTER=1
# Burn tries fewer kernels of its own: a software driver takes half a second to compile each.
export CUBECL_AUTOTUNE_LEVEL=minimal

set -x
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
# The library's other features: wgpu without a backend, and no wgpu at all (the members that want the default stay out).
# Their tests are those of the default; `scripts/test-portability.sh cpu` runs them without wgpu.
cargo clippy --package dropconnect --no-default-features --features gpu --all-targets -- -D warnings
cargo clippy --package dropconnect --no-default-features --all-targets -- -D warnings
tree=$(cargo tree --package dropconnect --no-default-features --edges normal --prefix none)
if grep -E '^(wgpu|naga|pollster|futures|minijinja)' <<<"$tree"; then
    fail "a build without adapters depends on these"
fi
# Unit, integration and doc tests; examples and benches are built. Most tests keep one core busy, compiling kernels, so
# that two lots of them run side by side; beside the second, which is shorter, there are the documentation, the Python
# package, and the kernels as other hosts run them, in Python by wgpu-native.
cargo test --workspace --no-run
target=${CARGO_TARGET_DIR:-$PWD/target}
second_lot() (
    set -e
    cargo test --workspace --test '[m-u]*'
    cargo test --workspace --doc
    # With the examples: then Burn has the features that clippy checked it with, and is not checked once more.
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --lib --examples
    # The tests of torch run where torch is, or with WITH_TORCH=1. The package is a workspace of its own.
    DROPCONNECT_BINARY="$target/debug/dropconnect" scripts/test-python.sh
    code=0
    scripts/portability/wgpu-py.sh "$target/debug/dropconnect" "$target/wgpu-py" || code=$?
    if [[ "$code" != 0 ]]; then
        [[ "$code" == 77 && "${DROPCONNECT_REQUIRE_ENGINES:-}" != 1 ]] || fail "the export does not run in Python"
    fi
)
log=$(mktemp)
second_lot >"$log" 2>&1 &
second=$!
trap 'kill "$second" 2>/dev/null || true; rm -f "$log"' EXIT
cargo test --workspace --lib --bins --test '[!m-u]*'
code=0
wait "$second" || code=$?
cat "$log"
((code == 0)) || fail "the second lot of tests, the documentation or the tests in Python fail, see above"
