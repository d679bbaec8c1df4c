#!/usr/bin/env bash
# Builds the wheel of crates/dropconnect-python into a fresh environment and tests it there. Needs Rust, and Python 3.9
# or later with venv, which is installed where it is not (Debian, Ubuntu); what else it needs comes from PyPI.
#
# The native module is tested with NumPy always. The tests of torch need torch: WITH_TORCH=1 installs it (gigabytes),
# else they run where `python3` has it already, in an environment that sees its packages. PYTHON names another python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../crates/dropconnect-python"
source ../../scripts/packages.sh

fail() {
    echo "scripts/test-python.sh: $*" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v cargo >/dev/null || fail "cargo is not found; install Rust from https://rustup.rs"

# Whether it can make an environment that has pip. Debian's python3 has `venv` and not what it needs.
has_venv() {
    command -v "$python" >/dev/null && "$python" -c 'import ensurepip, venv' 2>/dev/null
}

if ! has_venv; then
    command -v "$python" >/dev/null && what="$python has no venv" || what="$python is not found"
    [[ -z "${PYTHON:-}" ]] || fail "$what; PYTHON has to name a Python 3.9 or later that has venv"
    echo "$what: installing python3 and python3-venv"
    install_packages python3 python3-venv || fail "$what, and it could not be installed"
    has_venv || fail "python3-venv is installed, and still $what: another python3 comes before it on the PATH"
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "$python is older than Python 3.9"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="$PWD/target"

has_torch=
if [[ "${WITH_TORCH:-}" != 1 ]] && "$python" -c 'import torch' 2>/dev/null; then
    has_torch=1
    # Where `python3` is an environment's, `--system-site-packages` would show the packages of its base instead.
    torch_home=$("$python" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))')
fi

set -x
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
tree=$(cargo tree --locked --edges normal --prefix none)
if grep -E '^(wgpu|naga|pollster)' <<<"$tree"; then
    fail "the Python module depends on these"
fi

"$python" -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --quiet --disable-pip-version-check)
# Before torch's home is on the path: what is there pip would not install here.
"${pip[@]}" install 'maturin>=1.7,<2' mypy pytest ruff \
    || fail "maturin, mypy, pytest and ruff could not be installed from PyPI; pip says why above"
"$work/venv/bin/maturin" build --locked --release --interpreter "$work/venv/bin/python" --out "$work/wheels"
"${pip[@]}" install "$work"/wheels/*.whl
if [[ "${WITH_TORCH:-}" == 1 ]]; then
    "${pip[@]}" install torch || fail "torch could not be installed from PyPI; pip says why above"
    has_torch=1
elif [[ -n "$has_torch" ]]; then
    # After the environment's own packages on the path.
    packages=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$torch_home" >"$packages/torch.pth"
fi
if [[ -n "$has_torch" ]]; then
    # It reads the types of torch.
    "$work/venv/bin/mypy"
fi

"$work/venv/bin/ruff" check .
"$work/venv/bin/ruff" format --check .
# Not from the source tree: its package has no native module, or one of another build.
cp -r tests README.md pyproject.toml "$work/"
DROPCONNECT_REPOSITORY=$(realpath ../..)
export DROPCONNECT_REPOSITORY
cd "$work"
if [[ -n "$has_torch" ]]; then
    DROPCONNECT_REQUIRE_TORCH=1 "$work/venv/bin/python" -m pytest --quiet -rs tests
else
    "$work/venv/bin/python" -m pytest --quiet -rs tests
    set +x
    echo "NOT RUN: the tests of torch, which is not installed (WITH_TORCH=1 installs it)"
fi
