"""The compiled module: calls on NumPy arrays, into arrays of the caller's. All arguments are positional.

Arrays are C-contiguous. `key` is `(seed, layer, step)`, of 64, 32 and 64 bits; None is evaluation, without a mask.
`sharing` is the number of consecutive examples that share a mask, 0 for the whole batch; `sample_origin` the global
number of the first example. A refusal is a ValueError that names the argument and what it was.
"""

import numpy as np
from numpy.typing import NDArray

_F32 = NDArray[np.float32]
_Key = tuple[int, int, int]

def scale(p: float, /) -> float: ...
def threshold(p: float, /) -> tuple[int, int]: ...
def generator_key(key: _Key, /) -> tuple[int, int]: ...
def instruction_set() -> str: ...
def default_threads() -> int: ...
def mask(
    out: NDArray[np.uint8], key: _Key, p: float, sharing: int, sample_origin: int, threads: int, /
) -> None: ...
def forward(
    input: _F32,
    weight: _F32,
    bias: _F32 | None,
    out: _F32,
    key: _Key | None,
    p: float,
    sharing: int,
    sample_origin: int,
    threads: int,
    /,
) -> None: ...
def input_gradient(
    grad_output: _F32,
    weight: _F32,
    grad_input: _F32,
    key: _Key | None,
    p: float,
    sharing: int,
    sample_origin: int,
    threads: int,
    /,
) -> None: ...
def weight_gradient(
    grad_output: _F32,
    input: _F32,
    grad_weight: _F32,
    key: _Key | None,
    p: float,
    sharing: int,
    sample_origin: int,
    threads: int,
    /,
) -> None: ...
def both_gradients(
    grad_output: _F32,
    input: _F32,
    weight: _F32,
    grad_input: _F32,
    grad_weight: _F32,
    key: _Key | None,
    p: float,
    sharing: int,
    sample_origin: int,
    threads: int,
    /,
) -> None: ...
def bias_gradient(grad_output: _F32, grad_bias: _F32, threads: int, /) -> None: ...
