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
#   validation
#            the tests on the adapter under Vulkan's validation layers, with those of synchronisation
#   neon     the CPU tests for AArch64, in qemu
#   wasm     the CPU tests for WebAssembly, with simd128 and without, in Node
#   web      the page of web/ in headless Chromium (Tint, SwiftShader): masks, passes, `verify --quick`, a network that
#            learns, faults; pictures of it in target/web-pictures
#   fusion   the tests of Burn's module with Burn's lazy backend, which it calls fusion
#   wgpu-py  the exported kernels in Python, by wgpu-native: masks against the vectors, passes against NumPy
#   translators
#            every variant of every kernel by the compilers of the languages that wgpu makes of it: spirv-val, glslang
#            (GLSL ES 3.1, GLSL 4.3), DXC (HLSL for 6.0; that for 5.1, too), Tint
#   dxc      `verify --quick` on Mesa's software adapter with kernels that went from WGSL to HLSL, and from there by DXC
#            to SPIR-V
#   masks    a billion mask bits of each engine that runs here against plain code, and one digest for all
#
# The standard library of a target comes from rustup or, where that has none to give, is compiled from its source
# (`-Zbuild-std`). Everything goes to target/portability, so that the builds for this machine stay warm.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/packages.sh
source scripts/portability/std.sh
export CARGO_TARGET_DIR="$PWD/target/portability"
mkdir -p "$CARGO_TARGET_DIR"

ENGINES=(cpu llvmpipe gl swiftshader validation checks neon wasm web fusion wgpu-py translators dxc masks)

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
cpu_tests() {
    local options=(--package dropconnect --no-default-features "$@")
    cargo test "${options[@]}" --lib \
        && cargo test "${options[@]}" --test suite -- cpu:: passes:: vectors::
}

engine_cpu() {
    set -ex
    cpu_tests
    cargo test --package dropconnect --no-default-features --doc
    RUSTDOCFLAGS="-D warnings" cargo doc --package dropconnect --no-default-features --no-deps
}

# Mask bits and passes on the adapter of an environment: `verify_on NAME OPTION...` fails unless its name has NAME in
# it.
verify_on() {
    set -ex
    cargo build --release --package dropconnect-cli
    "$CARGO_TARGET_DIR/release/dropconnect" verify --quick --adapter "$@"
}

SWIFTSHADER=/usr/lib/chromium/vk_swiftshader_icd.json
need_vulkan() {
    need_packages mesa-vulkan-drivers:/usr/share/vulkan/icd.d libvulkan1:/usr/lib/x86_64-linux-gnu/libvulkan.so.1
}
need_gl() {
    need_packages libegl1:/usr/lib/x86_64-linux-gnu/libEGL.so.1 libgles2:/usr/lib/x86_64-linux-gnu/libGLESv2.so.2
}
need_swiftshader() {
    need_packages chromium-common:$SWIFTSHADER libvulkan1:/usr/lib/x86_64-linux-gnu/libvulkan.so.1
}

engine_llvmpipe() {
    need_vulkan
    verify_on llvmpipe --backend vulkan
}

engine_gl() {
    need_gl
    verify_on llvmpipe --backend gl
}

engine_swiftshader() {
    need_swiftshader
    VK_ICD_FILENAMES=$SWIFTSHADER verify_on SwiftShader --backend vulkan
}

# Fails for every error that the layers tell of. They are asked to write to a file: wgpu would tell a logger only.
engine_validation() {
    need_vulkan
    need_packages \
        vulkan-validationlayers:/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
    local folder="$CARGO_TARGET_DIR/validation" said
    said="$folder/said.txt"
    rm -rf "$folder" && mkdir -p "$folder"
    cat >"$folder/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error
khronos_validation.log_filename = $said
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
END
    # Without the layer there would be no instance.
    VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_SETTINGS_PATH="$folder" \
        DROPCONNECT_REQUIRE_ADAPTER=1 cargo test --package dropconnect --lib --tests || return
    [[ -e "$said" ]] || not_run "the layers wrote nothing, not even an empty file"
    if grep -E 'VUID|SYNC-HAZARD' "$said"; then return 1; fi
}

# For AArch64, in qemu.
prepare_neon() {
    need_packages gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc qemu-user:qemu-aarch64 \
        libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/lib/libc.so.6
    find_std aarch64-unknown-linux-gnu std,panic_unwind,test
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
}

engine_neon() {
    prepare_neon
    set -ex
    cpu_tests "${std[@]}"
}

# For WebAssembly, in Node. Sets `simd`: cargo's options for simd128.
prepare_wasm() {
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
    export RUSTFLAGS="${flags[*]}" RUSTC_BOOTSTRAP=1
    # Only this crate is compiled twice: what it depends on has no code for simd128.
    local profile
    simd=(-Zprofile-rustflags)
    for profile in dev release; do
        simd+=(--config "profile.$profile.package.dropconnect.rustflags=[\"-Ctarget-feature=+simd128\"]")
    done
}

engine_wasm() {
    prepare_wasm
    set -ex
    cpu_tests "${std[@]}"
    cpu_tests "${simd[@]}" "${std[@]}"
}

engine_fusion() {
    need_vulkan
    set -ex
    DROPCONNECT_REQUIRE_ADAPTER=1 cargo test --package dropconnect-burn --features fusion --tests
}

engine_wgpu-py() {
    need_vulkan
    cargo build --release --package dropconnect-cli || return
    scripts/portability/wgpu-py.sh "$CARGO_TARGET_DIR/release/dropconnect" "$CARGO_TARGET_DIR/wgpu-py"
}

# Sets `dxc`: the command of a compiler from HLSL on standard input, to which the profile is added.
find_dxc() {
    local folder="$CARGO_TARGET_DIR/dxc" backends
    need_packages g++:g++
    command -v python3 >/dev/null || not_run "python3 is missing"
    backends="$folder/compushady-0.17.5/compushady/backends"
    if [[ ! -d "$backends" ]]; then
        mkdir -p "$folder"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$folder" \
            compushady==0.17.5 && tar -xzf "$folder/compushady-0.17.5.tar.gz" -C "$folder" \
            || not_run "DXC cannot be had from PyPI (compushady 0.17.5)"
    fi
    local library="$backends/libdxcompiler_x86_64.so.3.7"
    [[ "$(uname -m)" == x86_64 ]] || library="$backends/libdxcompiler_$(uname -m).so.3.7"
    g++ -std=c++17 -O1 -w -I"$backends" scripts/portability/dxc.cpp -o "$folder/dxc" -ldl || return
    dxc=("$folder/dxc" "$library")
}

# Runs a command on every file of the folder with an ending, the file on standard input or, for `{}`, by name:
# `by_compiler NAME FOLDER ENDING COMMAND...`. Fails if the command does, or there is no file. There are thousands of
# variants, hours of work for some compilers: with VARIANTS=0 (to f, or of more digits) only those whose names, which
# are hashes, begin so.
by_compiler() {
    local name=$1 folder=$2 files="*-${VARIANTS:-}*.$3" count
    shift 3
    count=$(find "$folder" -name "$files" | wc -l)
    if find "$folder" -name "$files" -print0 \
        | xargs -0 -r -P "$(nproc)" -n 1 scripts/portability/compile-one.sh "$@" && ((count > 0)); then
        echo "$name: $count of $count pass"
    else
        echo "$name: FAILED, of $count files" >&2
        return 1
    fi
}

engine_translators() {
    need_packages spirv-tools:spirv-val glslang-tools:glslangValidator
    local dxc failed=0 folder="$CARGO_TARGET_DIR/translations" tint="$CARGO_TARGET_DIR/tint"
    rm -rf "$folder" && mkdir -p "$folder"
    DROPCONNECT_TEST_FULL=1 DROPCONNECT_TRANSLATIONS="$folder" \
        cargo test --package dropconnect --lib every_variant_translates \
        -- --nocapture || return
    # spirv-val of 2026 refuses the stride of an array in workgroup memory (VUID-StandaloneSpirv-None-10684), which wgpu
    # knows of and silences; Debian 12's does not look for it.
    by_compiler "SPIR-V, spirv-val" "$folder" spv spirv-val --target-env vulkan1.1 {} || failed=1
    by_compiler "GLSL ES 3.1, glslang" "$folder" es.comp glslangValidator {} || failed=1
    by_compiler "GLSL 4.3, glslang" "$folder" gl.comp glslangValidator {} || failed=1
    find_dxc || return
    by_compiler "HLSL 6.0, DXC" "$folder" 60.hlsl "${dxc[@]}" cs_6_0 || failed=1
    by_compiler "HLSL 5.1, DXC" "$folder" 51.hlsl "${dxc[@]}" cs_6_0 || failed=1
    command -v npm >/dev/null && npm install --silent --prefix "$tint" webgpu@0.6.2 \
        || not_run "Tint (npm: webgpu 0.6.2)"
    # 64-bit integers are no part of WebGPU.
    find "$folder" -name "*-${VARIANTS:-}*.wgsl" -print0 \
        | xargs -0 -n 500 node scripts/portability/tint.mjs "$tint/node_modules" | tee "$tint/said.txt" || failed=1
    awk '{ passed += $1; left += $5 } END { print "WGSL, Tint: " passed " pass, " left " left out"; exit !passed }' \
        "$tint/said.txt" || failed=1
    return "$failed"
}

# Sets `through_dxc`: the compiler for `verify --compiler`.
find_through_dxc() {
    local dxc
    find_dxc || return
    cargo build --release --package dropconnect-testing --example translate || return
    through_dxc="$CARGO_TARGET_DIR/dxc/through.sh"
    cat >"$through_dxc" <<END
#!/bin/sh
set -e
hlsl=\$(mktemp)
trap 'rm -f "\$hlsl"' EXIT
"$CARGO_TARGET_DIR/release/examples/translate" hlsl-6.0 >"\$hlsl"
"${dxc[0]}" "${dxc[1]}" cs_6_0 -spirv -fspv-target-env=vulkan1.1 <"\$hlsl"
END
    chmod +x "$through_dxc"
}

engine_dxc() {
    need_vulkan
    local through_dxc
    find_through_dxc || return
    # Small tiles: DXC takes minutes for those that llvmpipe gets otherwise.
    verify_on llvmpipe --backend vulkan --compiler "$through_dxc" \
        --tuning 2x1x8x4,2x1x8x4,2x1x8x4,and,loops,0,32768,4294967296
}

# Everything that ran prints a line with a digest, which has to be one.
engine_masks() {
    need_vulkan
    need_gl
    need_swiftshader
    local bits=${MASK_BITS:-1000000000} through_dxc list="$CARGO_TARGET_DIR/masks.txt" failed=0
    local binary="$CARGO_TARGET_DIR/release/dropconnect"
    local example=(run --release --package dropconnect-testing --no-default-features --example instruction_sets)
    find_through_dxc || return
    cargo build --release --package dropconnect-cli || return
    : >"$list"
    for options in "--device cpu" "--adapter llvmpipe" "--adapter llvmpipe --backend gl" \
        "--adapter llvmpipe --compiler $through_dxc"; do
        # Words of options.
        # shellcheck disable=SC2086
        "$binary" verify --masks "$bits" $options | tee -a "$list" || failed=1
    done
    VK_ICD_FILENAMES=$SWIFTSHADER "$binary" verify --masks "$bits" --adapter SwiftShader | tee -a "$list" || failed=1
    (prepare_neon && cargo "${example[@]}" "${std[@]}" -- "$bits") | tee -a "$list" || failed=1
    (prepare_wasm && cargo "${simd[@]}" "${example[@]}" "${std[@]}" -- "$bits") | tee -a "$list" || failed=1
    local page_test
    (prepare_web && "${page_test[@]}" "$bits") | tee -a "$list" || failed=1
    (($(grep -c ' 0 differ' "$list") >= 9)) || failed=1
    [[ "$(grep -o 'digest [0-9a-f]*' "$list" | sort -u | wc -l)" == 1 ]] || failed=1
    return "$failed"
}

# The one that the test was written with.
PLAYWRIGHT=playwright-core@1.65.1
# Builds the page, and sets `page_test`: the command of its test.
prepare_web() {
    command -v npm >/dev/null || not_run "node and npm are missing"
    need_packages chromium:/usr/bin/chromium
    local node=$CARGO_TARGET_DIR/node
    mkdir -p "$node"
    [[ -d "$node/node_modules/playwright-core" ]] \
        || npm install --silent --no-save --prefix "$node" "$PLAYWRIGHT" || not_run "$PLAYWRIGHT cannot be had"
    # Where its import finds that.
    cp web/test.mjs "$node/" || return
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR%/portability} scripts/build-web.sh || return
    page_test=(node "$node/test.mjs" "$PWD/target/web")
}

engine_web() {
    local page_test
    prepare_web || return
    "${page_test[@]}" "$PWD/target/web-pictures"
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
