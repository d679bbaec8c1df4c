"""DropConnect on NumPy arrays: the mask, the forward pass and the gradients. Needs no torch.

`seed`, `layer` and `step` are the key of the masks: the same key draws the same masks on every machine, whatever the
number of threads. Every layer of a model needs a number of its own, and every training step a step of its own.
`sharing` is "example" (a mask for each example), "batch" (one for all) or the number of consecutive examples that share
one; `sample_origin` is the global number of the first example, for a batch that is divided among processes.

`threads` is by default `RAYON_NUM_THREADS` of the environment, else what the system lets run at a time.

Arrays are float32 or float16 (computed in float32, rounded once); others are refused, and so are masked ones. Those
that are not C-contiguous and aligned are copied.
"""

from __future__ import annotations

from typing import Any, Optional, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._sharing import Sharing, sharing_code

Array = NDArray[Any]


def _threads(threads: int | None) -> int:
    return _native.default_threads() if threads is None else threads


_Key = TypeVar("_Key", bound=Optional[tuple[int, int, int]])


def _drawn(
    key: _Key, p: float, sharing: Sharing, sample_origin: int, threads: int | None
) -> tuple[_Key, float, int, int, int]:
    # What every call of the native module ends with: which masks, and how many threads.
    return key, p, sharing_code(sharing), sample_origin, _threads(threads)


def _f32(name: str, array: Array) -> Array:
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float16):
        what = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise ValueError(f"`{name}` is {what}; it must be a NumPy array of float32 or float16")
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError(
            f"`{name}` is a masked array, and numbers behind a mask would count: give `{name}.filled(0)`"
        )
    return np.require(array, np.float32, ("C", "ALIGNED"))


def _matrix(name: str, array: Array) -> Array:
    array = _f32(name, array)
    if array.ndim != 2:
        raise ValueError(f"`{name}` is of shape {array.shape}; it must have 2 dimensions")
    return array


def mask(
    batch: int,
    outputs: int,
    inputs: int,
    p: float = 0.5,
    *,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """The mask `[batch, outputs, inputs]`: 1 is kept, 0 is dropped."""
    for name, size in (("batch", batch), ("outputs", outputs), ("inputs", inputs)):
        if not 0 <= size < 2**32:
            raise ValueError(f"`{name}` is {size}; it must be 0 to 2**32 - 1")
    out = np.empty((batch, outputs, inputs), np.uint8)
    _native.mask(out, *_drawn((seed, layer, step), p, sharing, sample_origin, threads))
    return out


def scale(p: float) -> float:
    """The factor of kept weights: the inverse of the keep probability that masks of `p` have.

    It differs from `1 / (1 - p)` where p is no multiple of 2**-16, by which the layer stays unbiased.
    """
    return _native.scale(p)


def forward(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    threads: int | None = None,
) -> Array:
    """`Y[n, o] = scale * sum over i of M[n, o, i] * W[o, i] * X[n, i] + b[o]`; without M where not `training`."""
    x, w = _matrix("input", input), _matrix("weight", weight)
    b = None if bias is None else _f32("bias", bias)
    out = np.empty((x.shape[0], w.shape[0]), np.float32)
    key = (seed, layer, step) if training else None
    _native.forward(x, w, b, out, *_drawn(key, p, sharing, sample_origin, threads))
    return out.astype(input.dtype, copy=False)


def input_gradient(
    grad_output: Array,
    weight: Array,
    p: float = 0.5,
    *,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    threads: int | None = None,
) -> Array:
    """`dX[n, i] = scale * sum over o of M[n, o, i] * W[o, i] * G[n, o]`."""
    g, w = _matrix("grad_output", grad_output), _matrix("weight", weight)
    out = np.empty((g.shape[0], w.shape[1]), np.float32)
    _native.input_gradient(g, w, out, *_drawn((seed, layer, step), p, sharing, sample_origin, threads))
    return out.astype(grad_output.dtype, copy=False)


def weight_gradient(
    grad_output: Array,
    input: Array,
    p: float = 0.5,
    *,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    threads: int | None = None,
) -> Array:
    """`dW[o, i] = scale * sum over n of M[n, o, i] * G[n, o] * X[n, i]`."""
    g, x = _matrix("grad_output", grad_output), _matrix("input", input)
    out = np.empty((g.shape[1], x.shape[1]), np.float32)
    _native.weight_gradient(g, x, out, *_drawn((seed, layer, step), p, sharing, sample_origin, threads))
    return out.astype(grad_output.dtype, copy=False)


def both_gradients(
    grad_output: Array,
    input: Array,
    weight: Array,
    p: float = 0.5,
    *,
    seed: int = 0,
    layer: int = 0,
    step: int = 0,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """What `input_gradient` and `weight_gradient` give, bit for bit, in less time."""
    g, x, w = _matrix("grad_output", grad_output), _matrix("input", input), _matrix("weight", weight)
    dx, dw = np.empty((g.shape[0], x.shape[1]), np.float32), np.empty((g.shape[1], x.shape[1]), np.float32)
    _native.both_gradients(g, x, w, dx, dw, *_drawn((seed, layer, step), p, sharing, sample_origin, threads))
    return dx.astype(grad_output.dtype, copy=False), dw.astype(grad_output.dtype, copy=False)


def bias_gradient(grad_output: Array, *, threads: int | None = None) -> Array:
    """`db[o] = sum over n of G[n, o]`: biases are not dropped."""
    g = _matrix("grad_output", grad_output)
    out = np.empty(g.shape[1], np.float32)
    _native.bias_gradient(g, out, _threads(threads))
    return out.astype(grad_output.dtype, copy=False)
