"""DropConnect as functions of torch tensors on the CPU, and on CUDA devices where Triton is."""

from __future__ import annotations

import importlib.util
from typing import Union

import torch
from torch import Tensor
from torch.nn import functional as F

from . import _native, _ops
from ._sharing import Sharing, sharing_code

Key = Union[Tensor, tuple[int, int, int]]

_FUSED = (torch.float32, torch.float16, torch.bfloat16)
_HAS_TRITON = importlib.util.find_spec("triton") is not None


def make_key(seed: int, layer: int = 0, step: int = 0) -> Tensor:
    """The key of given masks: an int64 tensor `[seed, layer, step]`.

    The same key draws the same masks on every machine. Every layer of a model needs a number of its own.
    """
    for name, value, most in (("seed", seed, 2**64), ("layer", layer, 2**32), ("step", step, 2**63)):
        if not isinstance(value, int) or not 0 <= value < most:
            raise ValueError(f"`{name}` is {value!r}; it must be an integer from 0 to {most - 1}")
    return torch.tensor([seed - 2**64 if seed >= 2**63 else seed, layer, step], device="cpu")


def draw_key(layer: int = 0, generator: torch.Generator | None = None) -> Tensor:
    """A key from torch's generator, by default the one that `torch.manual_seed` seeds."""
    if generator is None and torch.compiler.is_compiling():
        # Inductor would draw other numbers than eager torch does.
        key: Tensor = torch.ops.dropconnect_torch.draw_key(layer, device=torch.device("cpu"))
        return key
    return _ops.draw_key(layer, generator)


def _as_key(key: Key) -> Tensor:
    if isinstance(key, Tensor):
        return key
    if not isinstance(key, tuple) or len(key) != 3:
        raise ValueError(f"`key` is {key!r}; it must be a tensor of make_key or a tuple (seed, layer, step)")
    return make_key(*key)


@torch.compiler.assume_constant_result
def _scale(p: float) -> float:
    return _native.scale(p)


def mask(
    batch: int,
    outputs: int,
    inputs: int,
    p: float = 0.5,
    *,
    key: Key,
    sharing: Sharing = "example",
    sample_origin: int = 0,
) -> Tensor:
    """The mask `[batch, outputs, inputs]` of a key, in uint8 on the CPU: 1 is kept, 0 is dropped."""
    out: Tensor = torch.ops.dropconnect_torch.mask(
        batch, outputs, inputs, _as_key(key), p, sharing_code(sharing), sample_origin
    )
    return out


def scale(p: float) -> float:
    """The factor of kept weights: the inverse of the keep probability that masks of `p` have."""
    factor: float = _scale(p)
    return factor


def _check(name: str, tensor: Tensor, like: Tensor) -> None:
    device = tensor.device
    # On `meta` there is nothing to compute, only shapes.
    if device.type not in ("cpu", "cuda", "meta") or (device.type == "cuda" and not _HAS_TRITON):
        where = (
            "on CUDA devices with Triton only (pip install triton)"
            if device.type == "cuda"
            else "on the CPU only"
        )
        raise ValueError(
            f"`{name}` is on {device}; dropconnect_torch drops weights {where}: move the module and its input with "
            '.to("cpu"). After .eval() it is torch.nn.functional.linear, on any device'
        )
    if device != like.device:
        raise ValueError(f"`{name}` is on {device} and `input` on {like.device}; they must be on one device")
    if tensor.dtype not in (*_FUSED, torch.float64):
        raise ValueError(f"`{name}` is of {tensor.dtype}; it must be float32, float16, bfloat16 or float64")
    if tensor.dtype != like.dtype:
        raise ValueError(
            f"`{name}` is of {tensor.dtype} and `input` of {like.dtype}; they must be of one type"
        )


def dropconnect(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    p: float = 0.5,
    training: bool = True,
    *,
    key: Key | None = None,
    sharing: Sharing = "example",
    sample_origin: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`torch.nn.functional.linear` whose weights are dropped with probability `p`, others for every example.

    Kept weights are scaled by the inverse of the keep probability; the bias is not dropped. The mask is never stored.
    Where not `training`, it is `linear`.

    input: `[..., inputs]`, every leading index an example, numbered in order from `sample_origin`.
    weight: `[outputs, inputs]`. bias: `[outputs]`.
    key: of `make_key` or `draw_key`, or a tuple `(seed, layer, step)`; by default drawn from `generator`, which is by
    default torch's own. The backward pass has the masks of its forward pass.
    sharing: "example" (a mask for each example), "batch" (one for all) or how many consecutive examples share one.
    sample_origin: the global number of the first example. Processes that divide a batch among themselves, and have the
    same key, take `rank * batch`, and draw the masks of the undivided batch.

    Tensors are float32, float16 or bfloat16 (computed in float32, rounded once), or float64 (by a plain path, which
    stores the mask: for `gradcheck`).
    """
    if not training:
        return F.linear(input, weight, bias)
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        raise NotImplementedError(
            "dropconnect_torch: torch.jit.trace would keep the masks of this call for ever: trace the model after "
            ".eval(). torch.compile and torch.export take it in training"
        )
    if key is not None and generator is not None:
        raise ValueError("`generator` is of no use where `key` is given; give one of them")
    code = sharing_code(sharing)
    out_dtype: torch.dtype | None = None
    device = "cuda" if input.device.type == "cuda" else "cpu"
    if torch.is_autocast_enabled(device) and input.dtype != torch.float64:
        # Rounded at the end, not at the start: sums are in float32 anyway.
        out_dtype = torch.get_autocast_dtype(device)
        input, weight = (t.float() if t.dtype in _FUSED else t for t in (input, weight))
        bias = bias.float() if bias is not None and bias.dtype in _FUSED else bias
    _check("input", input, input)
    _check("weight", weight, input)
    if bias is not None:
        _check("bias", bias, input)
    if weight.dim() != 2:
        raise ValueError(f"`weight` is of shape {tuple(weight.shape)}; it must be [outputs, inputs]")
    outputs, inputs = weight.shape
    if input.dim() == 0 or input.shape[-1] != inputs:
        raise ValueError(
            f"`input` is of shape {tuple(input.shape)}; its last must be {inputs}, as of `weight`"
        )
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"`bias` is of shape {tuple(bias.shape)}; it must be [{outputs}], as of `weight`")
    if outputs == 0 or inputs == 0:
        raise ValueError(
            f"`weight` is of shape {tuple(weight.shape)}; a layer needs an output and an input at least"
        )
    key = draw_key(0, generator) if key is None else _as_key(key)
    x = input.reshape(-1, inputs)
    if input.dtype == torch.float64:
        kept = mask(x.shape[0], outputs, inputs, p, key=key, sharing=sharing, sample_origin=sample_origin)
        y = torch.einsum("noi,oi,ni->no", kept.to(x.device, torch.float64), weight, x) * scale(p)
        y = y if bias is None else y + bias
    elif torch.compiler.is_compiling() or torch.is_grad_enabled():
        y = _ops.DropConnectFunction.apply(x, weight, bias, key, p, code, sample_origin)
    else:
        y = torch.ops.dropconnect_torch.forward(x, weight, bias, key, p, code, sample_origin)
    out: Tensor = y.reshape(*input.shape[:-1], outputs)
    return out if out_dtype is None else out.to(out_dtype)
