#!/usr/bin/env bash
# The tests, on a machine that has Rust and nothing else.
#
#   scripts/test.sh        formatting, and every test of the library and the binary, each with as many cases as take
#                          every branch of the code once
#   scripts/test.sh full   also clippy, documentation, Burn, Python, every pair of choices, every shader variant
#
# Needs an adapter, and `full` a Python: where no Vulkan driver or no Python is found, Mesa's software driver and
# python3-venv are installed (Debian, Ubuntu) or named (elsewhere).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh

fail() {
    echo "scripts/test.sh: $*" >&2
    exit 1
}

case "${1:-}" in
    "")
        echo "Formatting, then the tests of the library and the binary: ten minutes on two cores from nothing," \
            "less than three once compiled."
        ;;
    full) echo "Everything: some 40 minutes on two cores from nothing." ;;
    *) fail "\`$1\` is neither nothing nor \`full\`" ;;
esac

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
components=(fmt:rustfmt)
[[ "${1:-}" != full ]] || components+=(clippy:clippy)
for component in "${components[@]}"; do
    if ! cargo "${component%%:*}" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo ${component%%:*} is missing, and so is rustup to add it"
        rustup component add "${component##*:}"
    fi
done

# A missing adapter is a failure from here on, not a test that is not run.
export DROPCONNECT_REQUIRE_ADAPTER=1
target=${CARGO_TARGET_DIR:-$PWD/target}

# Runs `cargo test` and, where tests fail, says how each of them runs alone.
run_tests() {
    local log code=0 variables
    log=$(mktemp)
    (set -x && cargo test "$@") 2>&1 | tee "$log" || code=$?
    if ((code != 0)); then
        variables="DROPCONNECT_REQUIRE_ADAPTER=1${DROPCONNECT_TEST_FULL:+ DROPCONNECT_TEST_FULL=1}"
        sed -nE -e 's/^test (.*) \.\.\. FAILED$/\1/p' -e 's/^error: test failed, to rerun pass `(.*)`$/\1/p' "$log" \
            | awk -v run="$variables cargo test" \
                '/^-/ { for (k = 0; k < count; k++) print "alone: " run " " $0 " -- --exact " name[k]; count = 0; next }
                { name[count++] = $0 }' >&2
    fi
    rm -f "$log"
    return "$code"
}

set -x
scripts/words.sh
cargo fmt --all --check
{ set +x; } 2>/dev/null

if [[ "${1:-}" != full ]]; then
    # Most of the time goes to the software driver, which compiles a kernel in half a second. Unoptimised kernels of
    # narrow vectors take less, in a cache of their own: Mesa's key does not tell them from others.
    export GALLIVM_PERF=nopt LP_NATIVE_VECTOR_WIDTH=128 MESA_SHADER_CACHE_DIR="$target/unoptimised-kernels"
    mkdir -p "$MESA_SHADER_CACHE_DIR"
    # No examples and benches: `full` compiles them.
    run_tests --lib --bins --tests
    run_tests --doc
    echo "Passed. Not run, but by \`scripts/test.sh full\`: clippy, the documentation, Burn, Python, every pair of" \
        "choices, every shader variant, kernels as the driver optimises them."
    exit
fi

export DROPCONNECT_TEST_FULL=1
# Burn tries fewer kernels of its own.
export CUBECL_AUTOTUNE_LEVEL=minimal
set -x
cargo clippy --workspace --all-targets -- -D warnings
# The library's other features: wgpu without a backend, and no wgpu at all (the members that want the default stay out).
# Their tests are those of the default; `scripts/test-portability.sh cpu` runs them without wgpu.
cargo clippy --package dropconnect --no-default-features --features gpu --all-targets -- -D warnings
cargo clippy --package dropconnect --no-default-features --all-targets -- -D warnings
tree=$(cargo tree --package dropconnect --no-default-features --edges normal --prefix none)
if grep -E '^(wgpu|naga|pollster|futures|minijinja)' <<<"$tree"; then
    fail "a build without adapters depends on these"
fi
{ set +x; } 2>/dev/null
# Examples and benches are built.
run_tests --workspace
set -x
# With the examples: then Burn has the features that clippy checked it with, and is not checked once more.
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --lib --examples
# The tests of torch run where torch is, or with WITH_TORCH=1. The package is a workspace of its own.
DROPCONNECT_BINARY="$target/debug/dropconnect" scripts/test-python.sh
code=0
scripts/portability/wgpu-py.sh "$target/debug/dropconnect" "$target/wgpu-py" || code=$?
{ set +x; } 2>/dev/null
if [[ "$code" != 0 ]]; then
    [[ "$code" == 77 && "${DROPCONNECT_REQUIRE_ENGINES:-}" != 1 ]] || fail "the export does not run in Python"
fi
echo "Passed, all of it."
