"""The native module and `arrays`, with NumPy only."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from dropconnect_torch import _native, arrays
from philox import expected_mask, expected_scale

PROBABILITIES = [0.0, 0.5, 0.25, 0.2, 0.9, 255 / 256]
SHAPES = [(1, 1, 1), (5, 3, 9), (9, 17, 33)]
SHARINGS = [("example", 1), ("batch", 0), (3, 3)]


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("sharing", "code"), SHARINGS)
@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_are_those_of_the_format(shape, p, sharing, code):
    key = {"seed": 2**63 + 12345, "layer": 7, "step": 2**33 + 1}
    ours = arrays.mask(*shape, p, **key, sharing=sharing, sample_origin=6)
    np.testing.assert_array_equal(ours, expected_mask(*shape, p, **key, sharing=code, sample_origin=6))


def test_the_scale_is_that_of_the_realised_probability():
    for p in [*PROBABILITIES, 0.1, 1 / 3]:
        assert arrays.scale(p) == expected_scale(p)
    assert arrays.scale(0.2) != 1 / (1 - 0.2)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("sharing", "code"), SHARINGS)
@pytest.mark.parametrize("p", [0.0, 0.5, 0.2])
@pytest.mark.parametrize("shape", [*SHAPES, (40, 70, 130), (0, 3, 4)])
def test_passes_are_the_sums_over_the_mask(shape, p, sharing, code, threads):
    batch, outputs, inputs = shape
    x, w, b, g = normal(batch, inputs), normal(outputs, inputs), normal(outputs), normal(batch, outputs)
    key = {"seed": 5, "layer": 1, "step": 2, "sharing": sharing, "sample_origin": 2, "threads": threads}
    masked = arrays.mask(*shape, p, **key) * expected_scale(p)
    wanted = {
        "y": np.einsum("noi,oi,ni->no", masked, w, x) + b,
        "dx": np.einsum("noi,oi,no->ni", masked, w, g),
        "dw": np.einsum("noi,no,ni->oi", masked, g, x),
        "db": g.sum(0, dtype=np.float64),
    }
    dx, dw = arrays.both_gradients(g, x, w, p, **key)
    got = {
        "y": arrays.forward(x, w, b, p, **key),
        "dx": arrays.input_gradient(g, w, p, **key),
        "dw": arrays.weight_gradient(g, x, p, **key),
        "db": arrays.bias_gradient(g, threads=threads),
    }
    np.testing.assert_array_equal(dx, got["dx"])
    np.testing.assert_array_equal(dw, got["dw"])
    for name, result in got.items():
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, wanted[name], rtol=1e-5, atol=2e-5 * max(1, *shape) ** 0.5)


def test_evaluation_is_the_plain_layer():
    x, w = normal(5, 9), normal(4, 9)
    np.testing.assert_allclose(arrays.forward(x, w, p=0.5, training=False), x @ w.T, rtol=1e-5, atol=1e-5)


def test_what_is_not_contiguous_is_not_read_as_something_else():
    x, w, g = normal(6, 10), normal(4, 10), normal(6, 4)
    plain = arrays.forward(x, w, seed=3)
    np.testing.assert_array_equal(arrays.forward(np.asfortranarray(x), np.asfortranarray(w), seed=3), plain)
    wide = np.empty((6, 20), np.float32)
    wide[:, ::2] = x
    np.testing.assert_array_equal(arrays.forward(wide[:, ::2], w, seed=3), plain)
    np.testing.assert_array_equal(
        arrays.weight_gradient(np.asfortranarray(g), wide[:, ::2], seed=3),
        arrays.weight_gradient(g, x, seed=3),
    )
    # A file that is mapped behind a header of odd length.
    misaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    assert not misaligned.flags.aligned
    np.testing.assert_array_equal(arrays.forward(misaligned, w, seed=3), plain)


def test_float16_is_rounded_once():
    x, w, b = (normal(*shape).astype(np.float16) for shape in [(5, 64), (7, 64), (7,)])
    half = arrays.forward(x, w, b, seed=1)
    single = arrays.forward(*(array.astype(np.float32) for array in (x, w, b)), seed=1)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, single.astype(np.float16))


def test_results_do_not_depend_on_the_number_of_threads():
    x, w = normal(64, 200), normal(100, 200)
    one = arrays.forward(x, w, p=0.2, seed=9, threads=1)
    for threads in (2, 5):
        np.testing.assert_array_equal(arrays.forward(x, w, p=0.2, seed=9, threads=threads), one)


def test_a_divided_batch_draws_the_masks_of_the_whole_one():
    whole = arrays.mask(8, 3, 9, seed=1)
    parts = [arrays.mask(4, 3, 9, seed=1, sample_origin=origin) for origin in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def call(**changed):
    """A forward call of the native module, with some arguments changed."""
    arguments = {
        "input": normal(2, 3),
        "weight": normal(4, 3),
        "bias": normal(4),
        "out": np.empty((2, 4), np.float32),
        "key": (1, 2, 3),
        "p": 0.5,
        "sharing": 1,
        "sample_origin": 0,
        "threads": 1,
    }
    arguments.update(changed)
    _native.forward(*arguments.values())


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("input", [[1.0]], "`input` is a list"),
        (
            "input",
            np.zeros((2, 3)),
            "`input` is an array of float64; it must be a 2-dimensional C-contiguous",
        ),
        ("input", normal(3), r"`input` is of shape \[3\]"),
        ("input", np.asfortranarray(normal(2, 3)), "`input` is not C-contiguous"),
        ("input", np.zeros((2, 0), np.float32), "`inputs` is 0"),
        ("weight", normal(4, 5), r"`weight` is of shape \[4, 5\]; the other arguments ask for \[4, 3\]"),
        ("weight", np.zeros((0, 3), np.float32), "`outputs` is 0"),
        ("bias", normal(3), r"`bias` is of shape \[3\]; the other arguments ask for \[4\]"),
        ("out", np.empty((2, 3), np.float32), r"`out` is of shape \[2, 3\]"),
        ("out", read_only(np.empty((2, 4), np.float32)), "`out` is read-only"),
        ("key", 5, r"`key` is 5; it must be a tuple \(seed, layer, step\)"),
        ("key", (-1, 0, 0), "`seed` is -1; it must be an integer from 0 to 18446744073709551615"),
        ("key", (2**64, 0, 0), "`seed` is 18446744073709551616"),
        ("key", (0, 2**32, 0), "`layer` is 4294967296; it must be an integer from 0 to 4294967295"),
        ("key", (0, 0, "x"), "`step` is 'x'"),
        ("p", 1.0, "`p`: drop probability is 1; it must be at least 0 and below 1"),
        ("p", float("nan"), "`p`: drop probability is NaN"),
        ("p", 1 - 1e-9, "`p`: drop probability 0.999999999 leaves nothing"),
        ("p", "half", "`p` is 'half'"),
        ("sharing", -1, "`sharing` is -1"),
        ("sample_origin", 2**32, "`sample_origin` is 4294967296"),
        ("sample_origin", 2**32 - 1, "`example` origin 4294967295 plus size 2 passes"),
        ("threads", 0, "`threads` is 0; it must be 1 to 1024"),
        ("threads", 2000, "`threads` is 2000"),
    ],
)
def test_refusals_name_the_argument_and_its_value(argument, value, words):
    call()
    with pytest.raises(ValueError, match=words):
        call(**{argument: value})


def test_a_result_that_is_an_operand_is_refused():
    square = normal(3, 3)
    with pytest.raises(ValueError, match="`out` is in use"):
        call(input=square, weight=normal(3, 3), bias=None, out=square)


@pytest.mark.parametrize(
    ("function", "arguments", "argument"),
    [
        (arrays.input_gradient, ((2, 4), (5, 3)), "weight"),
        (arrays.weight_gradient, ((2, 4), (3, 3)), "input"),
        (arrays.both_gradients, ((2, 4), (3, 3), (4, 3)), "input"),
        (arrays.both_gradients, ((2, 4), (2, 3), (4, 5)), "weight"),
    ],
)
def test_gradients_refuse_shapes_that_do_not_fit(function, arguments, argument):
    with pytest.raises(ValueError, match=f"`{argument}` is of shape"):
        function(*(normal(*shape) for shape in arguments))


def test_arrays_refuse_by_name():
    with pytest.raises(ValueError, match="`input` is an array of float64"):
        arrays.forward(np.zeros((2, 3)), normal(4, 3))
    with pytest.raises(ValueError, match="`weight` is a list"):
        arrays.forward(normal(2, 3), [[1.0]])
    with pytest.raises(ValueError, match="`weight` is a masked array"):
        arrays.forward(normal(2, 3), np.ma.masked_array(normal(4, 3), normal(4, 3) > 0))
    with pytest.raises(ValueError, match=r"`grad_output` is of shape \(3,\)"):
        arrays.bias_gradient(normal(3))
    with pytest.raises(ValueError, match="`batch` is -1"):
        arrays.mask(-1, 2, 3)
    for sharing in ("none", 0, -3, True, 1.5, 2**32):
        with pytest.raises(ValueError, match="`sharing` is"):
            arrays.mask(1, 2, 3, sharing=sharing)


def test_other_python_threads_run_during_a_call():
    x, w = normal(256, 1024), normal(1024, 1024)
    done, ticks = threading.Event(), []

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    # So long a turn that no tick falls between two calls by chance.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    ticker = threading.Thread(target=tick)
    try:
        ticker.start()
        begin = time.perf_counter()
        arrays.forward(x, w, p=0.2, threads=1)
        end = time.perf_counter()
    finally:
        done.set()
        ticker.join()
        sys.setswitchinterval(interval)
    assert any(begin < moment < end for moment in ticks)


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_computes():
    result = run(
        """
import os
import numpy as np
from dropconnect_torch import arrays
x, w = np.ones((64, 64), np.float32), np.ones((64, 64), np.float32)
parent = arrays.forward(x, w, seed=1, threads=2)
child = os.fork()
if child == 0:
    same = (arrays.forward(x, w, seed=1, threads=2) == parent).all()
    os._exit(0 if same else 1)
assert os.waitpid(child, 0)[1] == 0
assert (arrays.forward(x, w, seed=1, threads=2) == parent).all()
"""
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_a_child_with_its_parents_process_number_computes():
    # Both are number 1, each of a namespace of its own.
    inner = """
import ctypes, os
import numpy as np
from dropconnect_torch import arrays
x = np.ones((64, 64), np.float32)
parent = arrays.forward(x, x, seed=1, threads=2)
assert os.getpid() == 1 and ctypes.CDLL(None).unshare(0x20000000) == 0  # CLONE_NEWPID
child = os.fork()
if child == 0:
    same = os.getpid() == 1 and (arrays.forward(x, x, seed=1, threads=2) == parent).all()
    os._exit(0 if same else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    outer = f"""
import ctypes, os, sys
if ctypes.CDLL(None).unshare(0x20000000) != 0:
    raise SystemExit(77)
child = os.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-c", {inner!r}])
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = run(outer)
    if result.returncode == 77:
        pytest.skip("only root makes namespaces here")
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
@pytest.mark.parametrize(
    ("asked", "said"),
    [("", "1"), ("3", "3"), ("4000", "`RAYON_NUM_THREADS` is 4000; it must be 1 to 1024")],
)
def test_threads_are_by_default_what_the_system_gives(asked, said):
    result = run(
        """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from dropconnect_torch import _native, arrays
try:
    print(_native.default_threads())
    arrays.forward(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
except ValueError as error:
    print(error)
""",
        RAYON_NUM_THREADS=asked,
    )
    assert (result.stdout.strip(), result.returncode) == (said, 0), result.stderr


def test_without_torch_the_rest_is_there_and_the_layer_says_what_it_needs():
    result = run(
        """
import sys
sys.modules["torch"] = None  # As if it were not installed.
import dropconnect_torch
assert dropconnect_torch.mask(2, 3, 4).shape == (2, 3, 4)
for name in ("DropConnect", "functional", "patch_module"):
    try:
        getattr(dropconnect_torch, name)
    except ImportError as error:
        assert "pip install 'dropconnect-torch[torch]'" in str(error), error
    else:
        raise AssertionError(name)
assert not hasattr(dropconnect_torch, "nothing")
"""
    )
    assert result.returncode == 0, result.stderr


def test_threads_end_with_their_pool_and_sleep_between_calls():
    result = run(
        """
import os, time
import numpy as np
from dropconnect_torch import arrays
def states():
    stats = (open(f"/proc/self/task/{task}/stat").read() for task in os.listdir("/proc/self/task"))
    return [stat.rpartition(")")[2].split()[0] for stat in stats if "(dropconnect-" in stat]
if not os.path.isdir("/proc/self/task"):
    raise SystemExit(0)
x = np.ones((64, 64), np.float32)
for threads in (4, 2):
    arrays.forward(x, x, threads=threads)
quiet, deadline = 0, time.monotonic() + 30
while quiet < 20 and time.monotonic() < deadline:
    try:
        quiet = quiet + 1 if states() == ["S", "S"] else 0
    except (FileNotFoundError, ProcessLookupError):
        quiet = 0  # A thread ended while it was looked at.
    time.sleep(0.01)
assert quiet == 20, states()
"""
    )
    assert result.returncode == 0, result.stderr
