"""The NumPy programs of the repository: examples/mask.py draws the masks of the native module and of the binary, and
tests/data/make_vectors.py makes the vectors that all implementations are tested against."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import dropconnect_torch
import numpy as np
import pytest

# scripts/test-python.sh runs a copy of the tests, and says where the repository is.
ROOT = Path(os.environ.get("DROPCONNECT_REPOSITORY") or Path(__file__).parents[3])


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("mask_program", ROOT / "examples" / "mask.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings(count):
    """Shapes, probabilities and keys, others each time."""
    draw = random.Random()
    for _ in range(count):
        shape = [draw.randint(1, 9), draw.randint(1, 9), draw.randint(1, 40)]
        p = draw.choice([0.0, 0.25, 0.5, 0.9, 0.97 * draw.random()])
        yield (
            shape,
            p,
            {"seed": draw.getrandbits(64), "layer": draw.getrandbits(32), "step": draw.getrandbits(64)},
        )


def test_the_native_module_draws_the_same(program):
    for shape, p, key in settings(50):
        want = program.mask(*shape, p, **key)
        assert (dropconnect_torch.mask(*shape, p=p, **key).astype(bool) == want).all(), (shape, p, key)


@pytest.mark.skipif("DROPCONNECT_BINARY" not in os.environ, reason="only scripts/test.sh names a binary")
def test_the_binary_draws_the_same(program, tmp_path):
    for shape, p, key in settings(20):
        out = tmp_path / "mask.safetensors"
        options = [option for name, value in key.items() for option in (f"--{name}", str(value))]
        command = [
            os.environ["DROPCONNECT_BINARY"],
            "mask",
            "--device",
            "cpu",
            "--shape",
            ",".join(map(str, shape)),
        ]
        subprocess.run([*command, "--p", repr(p), *options, "--out", out], check=True, capture_output=True)
        stored = out.read_bytes()
        start = 8 + int.from_bytes(stored[:8], "little")
        first, last = json.loads(stored[8:start])["mask"]["data_offsets"]
        got = np.frombuffer(stored[start + first : start + last], np.uint8).reshape(shape)
        assert (got.astype(bool) == program.mask(*shape, p, **key)).all(), (shape, p, key)


def test_the_vectors_are_what_their_program_makes():
    subprocess.run([sys.executable, ROOT / "tests" / "data" / "make_vectors.py", "--check"], check=True)
