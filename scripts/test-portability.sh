#!/usr/bin/env bash
# What can be checked here of platforms that are not this machine: `scripts/test-portability.sh [ENGINE ...]`, all of
# them by default. An engine is a function `engine_NAME` below. What it needs is installed (Debian, Ubuntu) or built; a
# thing that cannot be had is said, and is a failure only with DROPCONNECT_REQUIRE_ENGINES=1.
#
#   cpu      the CPU tests and the examples of the documentation on this machine, without wgpu
#   checks   the library and the binary compile for Windows, macOS, Linux on AArch64 and WebAssembly
#   llvmpipe, gl, swiftshader
#            `verify --quick` on Mesa's software adapter by Vulkan and by OpenGL, and on SwiftShader: another driver and
#            another compiler, without f16, 64-bit integers or large workgroups
#   neon     the CPU tests for AArch64, in qemu
#   wasm     the CPU tests for WebAssembly, with simd128 and without, in Node
#   web      the page of web/ in headless Chromium (Tint, SwiftShader): masks, passes, every check of `verify --quick`, a
#            network that learns, faults; pictures of it in target/web-pictures
#
# The standard library of a target comes from rustup or, where that has none to give, is compiled from its source
# (`-Zbuild-std`). Everything goes to target/portability, so that the builds for this machine stay warm.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh
source scripts/portability/std.sh
export CARGO_TARGET_DIR="$PWD/target/portability"
mkdir -p "$CARGO_TARGET_DIR"

ENGINES=(cpu llvmpipe gl swiftshader checks neon wasm web)

# ------------------------------------------------------------------------------------------------ what engines need

# Ends the engine, which is a subshell, as one that could not run.
not_run() {
    echo "NOT RUN: $*" >&2
    exit 77
}

# Installs Debian packages that are not there, each given by a file of its own.
need_packages() {
    local missing=() package file
    for pair in "$@"; do
        package=${pair%%:*} file=${pair#*:}
        [[ -e "$file" ]] || command -v "$file" >/dev/null || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    install_packages "${missing[@]}" || not_run "${missing[*]} cannot be installed"
}

# ---------------------------------------------------------------------------------------------------------- engines

engine_checks() {
    local target failed=0
    for target in x86_64-pc-windows-gnu aarch64-apple-darwin aarch64-unknown-linux-gnu wasm32-unknown-unknown; do
        (check_target "$target") || failed=$?
    done
    return "$failed"
}

# Called where bash ignores `set -e`: one command after another, and the first fault is the result.
check_target() {
    local target=$1 crates=std,panic_unwind,panic_abort
    find_std "$target" "$crates"
    set -x
    cargo check --package dropconnect --lib --no-default-features "${std[@]}" \
        && cargo check --package dropconnect --lib --no-default-features --features gpu "${std[@]}" \
        && cargo check --package dropconnect --lib "${std[@]}" \
        && case $target in
            # A page has no command line.
            wasm32-*) ;;
            *) cargo check --package dropconnect-cli --bins "${std[@]}" ;;
        esac
}

# The tests of builds without adapters that run the CPU backend: unit tests, masks bit for bit, every pass against
# float64, the vectors.
CPU_TESTS=(--package dropconnect --no-default-features --lib --test cpu --test passes --test vectors)

engine_cpu() {
    set -ex
    cargo test "${CPU_TESTS[@]}"
    cargo test --package dropconnect --no-default-features --doc
    RUSTDOCFLAGS="-D warnings" cargo doc --package dropconnect --no-default-features --no-deps
}

# Mask bits and passes on the adapter of an environment: `verify_on NAME OPTION...` fails unless its name has NAME in it.
verify_on() {
    set -ex
    cargo build --release --package dropconnect-cli
    "$CARGO_TARGET_DIR/release/dropconnect" verify --quick --adapter "$@"
}

engine_llvmpipe() {
    need_packages mesa-vulkan-drivers:/usr/share/vulkan/icd.d libvulkan1:/usr/lib/x86_64-linux-gnu/libvulkan.so.1
    verify_on llvmpipe --backend vulkan
}

engine_gl() {
    need_packages libegl1:/usr/lib/x86_64-linux-gnu/libEGL.so.1 libgles2:/usr/lib/x86_64-linux-gnu/libGLESv2.so.2
    verify_on llvmpipe --backend gl
}

engine_swiftshader() {
    local driver=/usr/lib/chromium/vk_swiftshader_icd.json
    need_packages chromium-common:$driver libvulkan1:/usr/lib/x86_64-linux-gnu/libvulkan.so.1
    VK_ICD_FILENAMES=$driver verify_on SwiftShader --backend vulkan
}

engine_neon() {
    need_packages gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc qemu-user:qemu-aarch64 \
        libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/lib/libc.so.6
    find_std aarch64-unknown-linux-gnu std,panic_unwind,test
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    set -ex
    cargo test "${CPU_TESTS[@]}" "${std[@]}"
}

engine_wasm() {
    command -v node >/dev/null || not_run "node is missing"
    find_std wasm32-wasip1 std,panic_abort,test
    local flags=()
    if [[ "${#std[@]}" == 3 ]]; then
        # A standard library that is compiled here comes without a C library.
        need_packages wasi-libc:/usr/lib/wasm32-wasi/libc.a
        flags=(-Clink-self-contained=no -Lnative=/usr/lib/wasm32-wasi
            -Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o -Clink-arg=-lc)
    fi
    export CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $PWD/scripts/portability/wasi.mjs"
    set -ex
    # Only this crate is compiled twice: what it depends on has no code for simd128.
    local simd='profile.dev.package.dropconnect.rustflags=["-Ctarget-feature=+simd128"]'
    export RUSTFLAGS="${flags[*]}" RUSTC_BOOTSTRAP=1
    cargo test "${CPU_TESTS[@]}" "${std[@]}"
    cargo test -Zprofile-rustflags --config "$simd" "${CPU_TESTS[@]}" "${std[@]}"
}

# The one that the test was written with.
PLAYWRIGHT=playwright-core@1.65.1
engine_web() {
    command -v npm >/dev/null || not_run "node and npm are missing"
    need_packages chromium:/usr/bin/chromium
    local node=$CARGO_TARGET_DIR/node
    mkdir -p "$node"
    [[ -d "$node/node_modules/playwright-core" ]] \
        || npm install --silent --no-save --prefix "$node" "$PLAYWRIGHT" || not_run "$PLAYWRIGHT cannot be had"
    # Where its import finds that.
    cp web/test.mjs "$node/" || return
    set -ex
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR%/portability} scripts/build-web.sh
    node "$node/test.mjs" "$PWD/target/web" "$PWD/target/web-pictures"
}

# ------------------------------------------------------------------------------------------------------------- main

((BASH_VERSINFO[0] >= 4)) || { echo "bash 4 or later, please" >&2; exit 2; }
command -v cargo >/dev/null || { echo "cargo is not found; install Rust from https://rustup.rs" >&2; exit 2; }
(($#)) || set -- "${ENGINES[@]}"
summary=() code=0
for engine in "$@"; do
    if ! declare -F "engine_$engine" >/dev/null; then
        echo "no engine \`$engine\`; there are ${ENGINES[*]}" >&2
        exit 2
    fi
    start=$SECONDS
    ("engine_$engine")
    case $? in
        0) result=passed ;;
        77) result="not run" && [[ "${DROPCONNECT_REQUIRE_ENGINES:-}" == 1 ]] && code=1 ;;
        *) result=FAILED code=1 ;;
    esac
    summary+=("$(printf '%-10s %-8s %5d s' "$engine" "$result" $((SECONDS - start)))")
done
printf '%s\n' "${summary[@]}"
exit "$code"
