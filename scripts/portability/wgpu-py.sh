#!/usr/bin/env bash
# Kernels that `dropconnect shader --export` writes, run by examples/wgpu_py: `wgpu-py.sh BINARY FOLDER`. Calls whose
# masks are among the vectors, and others in f16 and in several dispatches. Python's packages come from PyPI, into
# FOLDER; where they cannot be had it says so and exits with 77.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
binary=$1 python=$2/bin/python
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "NOT RUN: the export in Python: python3 with venv is missing (on Debian: apt-get install python3-venv)" >&2
    exit 77
fi
[[ -x "$python" ]] || python3 -m venv "$2"
if ! "$python" -m pip install --quiet --disable-pip-version-check wgpu==0.32.0 numpy; then
    echo "NOT RUN: the export in Python: wgpu and numpy cannot be had from PyPI" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
vectors=tests/data/vectors.json

# `run VECTORS OPTION...`
run() {
    local known=$1
    shift
    rm -rf "$work/kernels"
    "$binary" shader --export "$work/kernels" "$@"
    # Words, or none.
    # shellcheck disable=SC2086
    "$python" examples/wgpu_py/run_export.py "$work/kernels" $known
}

small=(--class software-small --shape 3,5,11 --p 0.3 --seed 42)
run "$vectors" "${small[@]}"
run "$vectors" --class integrated --shape 5,3,9 --p 0.1 --seed 7 --layer 2 --step 9 --origin 3,2,5 --bias masked
run "$vectors" --class amd --shape 4,4,8 --p 0.5 --seed 18446744073709551615 --layer 4294967295 \
    --step 18446744073709551615 --origin 4,8,16 --bias masked
run "$vectors" --class integrated --shape 6,7,17 --p 0.2 --bits 8 --seed 123 --layer 1 --step 5 --bias plain
run "$vectors" --class nvidia --shape 64,96,200 --p 0.75 --seed 2013 --layer 1 --step 77 --bias masked
run "$vectors" --class integrated --shape 37,21,65 --p 0.9 --bits 12 --seed 11 --layer 5 --step 6 \
    --origin 2147483648,7,0 --examples-per-mask 8 --bias masked
run "" --class integrated --shape 9,14,24 --p 0.3 --element f16 --bias plain
# Sums too long for a dispatch, in several that go through memory of their own.
run "" --class software-small --shape 1,4,1200000 --p 0.5 --element f16

# A mask that is not the exported one has to be found.
"$binary" shader --export "$work/kernels" "${small[@]}"
sed -i 's/"step": "0"/"step": "1"/' "$work/kernels/export.json"
if "$python" examples/wgpu_py/run_export.py "$work/kernels" "$vectors" >/dev/null 2>&1; then
    echo "a step that is not the kernels' goes unseen" >&2
    exit 1
fi
