# The standard library of other targets, for scripts to source: those have a function `not_run` that ends them with a
# reason, and a folder CARGO_TARGET_DIR.

# The source of the standard library of this very compiler, in `library`: rustup's, else that of Debian's rust-src
# package, which has to be of the same version.
DEBIAN_SOURCE=http://deb.debian.org/debian/pool/main/r/rustc/rust-src_1.95.0+dfsg1-2~bpo13+1_all.deb
DEBIAN_SOURCE_SHA256=7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b
find_library_source() {
    library="$(rustc --print sysroot)/lib/rustlib/src/rust/library"
    [[ -d "$library" ]] && return 0
    if command -v rustup >/dev/null && rustup component add rust-src >/dev/null 2>&1 && [[ -d "$library" ]]; then
        return 0
    fi
    local version folder="$CARGO_TARGET_DIR/rust-src" package
    version=$(rustc --version | cut -d' ' -f2)
    library="$folder/usr/src/rustc-$version/library"
    [[ -d "$library" ]] && return 0
    [[ "$version" == 1.95.0 ]] || not_run "no rust-src for Rust $version"
    command -v dpkg >/dev/null || not_run "neither rustup's rust-src nor dpkg to unpack Debian's"
    package="$folder.deb"
    curl -fsSL -o "$package" "$DEBIAN_SOURCE" || not_run "no rust-src: $DEBIAN_SOURCE cannot be had"
    echo "$DEBIAN_SOURCE_SHA256  $package" | sha256sum --check --quiet || not_run "$package is another file"
    dpkg -x "$package" "$folder" || not_run "$package cannot be unpacked"
}

# Sets `std`: what cargo takes to build for a target. The rest are the crates that are compiled if need be.
find_std() {
    local target=$1 crates=$2
    std=(--target "$target")
    [[ -d "$(rustc --print target-libdir --target "$target")" ]] && return 0
    command -v rustup >/dev/null && rustup target add "$target" >/dev/null 2>&1 && return 0
    find_library_source
    # `-Zbuild-std` is for nightly; a stable compiler takes it so, with a place for the source that is not rustup's.
    export RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT="$library"
    std+=("-Zbuild-std=$crates")
}
