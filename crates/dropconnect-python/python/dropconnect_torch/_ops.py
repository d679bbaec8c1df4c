"""The operators `torch.ops.dropconnect_torch.*` for the CPU, and how autograd and the compiler see them; those for CUDA
are in `_triton`.

A key is an int64 tensor `[seed, layer, step]`, so that a graph takes it as data: another step compiles nothing anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import _native
from ._key import words

# Kept by the module: the operators live as long as this.
_LIB = torch.library.Library("dropconnect_torch", "DEF")

_MASK = "Tensor key, float p, int sharing, SymInt sample_origin"

_LIB.define(f"forward(Tensor input, Tensor weight, Tensor? bias, {_MASK}) -> Tensor")
_LIB.define(f"input_gradient(Tensor grad_output, Tensor weight, {_MASK}) -> Tensor")
_LIB.define(f"weight_gradient(Tensor grad_output, Tensor input, {_MASK}) -> Tensor")
_LIB.define(f"both_gradients(Tensor grad_output, Tensor input, Tensor weight, {_MASK}) -> (Tensor, Tensor)")
_LIB.define("bias_gradient(Tensor grad_output) -> Tensor")
_LIB.define("mask(SymInt batch, SymInt outputs, SymInt inputs, " + _MASK + ") -> Tensor")
# Tagged, so that a compiled graph that is checkpointed draws the same key again: torch then restores the generator of
# the device, which it looks for among the arguments.
_LIB.define("draw_key(int layer, *, Device device) -> Tensor", tags=(torch.Tag.nondeterministic_seeded,))


def _drawn(
    key: Tensor, p: float, sharing: int, sample_origin: int
) -> tuple[tuple[int, int, int], float, int, int, int]:
    # What every call of the native module ends with: which masks, and how many threads.
    return words(key), p, sharing, sample_origin, torch.get_num_threads()


def draw_key(layer: int, generator: torch.Generator | None = None) -> Tensor:
    """A key from torch's generator. Two layers draw one after the other, and so differ."""
    key = torch.tensor([0, layer, 0], dtype=torch.int64, device="cpu")
    key[:1].random_(generator=generator)
    return key


def _f32(tensor: Tensor) -> Any:
    # No copy of a contiguous tensor of float32. Views that negate were resolved on the way to an operator for the CPU.
    return tensor.detach().to(torch.float32).contiguous().numpy()


def _empty(rows: int, columns: int) -> Tensor:
    # Not of torch's default type and device.
    return torch.empty(rows, columns, dtype=torch.float32, device="cpu")


def _rounded(result: Tensor, dtype: torch.dtype) -> Tensor:
    return result if dtype == torch.float32 else result.to(dtype)


def _forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    key: Tensor,
    p: float,
    sharing: int,
    sample_origin: int,
) -> Tensor:
    out = _empty(input.shape[0], weight.shape[0])
    _native.forward(
        _f32(input),
        _f32(weight),
        None if bias is None else _f32(bias),
        out.numpy(),
        *_drawn(key, p, sharing, sample_origin),
    )
    return _rounded(out, input.dtype)


def _input_gradient(
    grad_output: Tensor, weight: Tensor, key: Tensor, p: float, sharing: int, sample_origin: int
) -> Tensor:
    out = _empty(grad_output.shape[0], weight.shape[1])
    _native.input_gradient(
        _f32(grad_output),
        _f32(weight),
        out.numpy(),
        *_drawn(key, p, sharing, sample_origin),
    )
    return _rounded(out, grad_output.dtype)


def _weight_gradient(
    grad_output: Tensor, input: Tensor, key: Tensor, p: float, sharing: int, sample_origin: int
) -> Tensor:
    out = _empty(grad_output.shape[1], input.shape[1])
    _native.weight_gradient(
        _f32(grad_output),
        _f32(input),
        out.numpy(),
        *_drawn(key, p, sharing, sample_origin),
    )
    return _rounded(out, grad_output.dtype)


def _both_gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    key: Tensor,
    p: float,
    sharing: int,
    sample_origin: int,
) -> tuple[Tensor, Tensor]:
    grad_input = _empty(input.shape[0], input.shape[1])
    grad_weight = _empty(weight.shape[0], weight.shape[1])
    _native.both_gradients(
        _f32(grad_output),
        _f32(input),
        _f32(weight),
        grad_input.numpy(),
        grad_weight.numpy(),
        *_drawn(key, p, sharing, sample_origin),
    )
    return _rounded(grad_input, grad_output.dtype), _rounded(grad_weight, grad_output.dtype)


def _bias_gradient(grad_output: Tensor) -> Tensor:
    out = torch.empty(grad_output.shape[1], dtype=torch.float32, device="cpu")
    _native.bias_gradient(_f32(grad_output), out.numpy(), torch.get_num_threads())
    return _rounded(out, grad_output.dtype)


def _mask(
    batch: int, outputs: int, inputs: int, key: Tensor, p: float, sharing: int, sample_origin: int
) -> Tensor:
    out = torch.empty(batch, outputs, inputs, dtype=torch.uint8, device="cpu")
    _native.mask(out.numpy(), *_drawn(key, p, sharing, sample_origin))
    return out


_LIB.impl("forward", _forward, "CPU")
_LIB.impl("input_gradient", _input_gradient, "CPU")
_LIB.impl("weight_gradient", _weight_gradient, "CPU")
_LIB.impl("both_gradients", _both_gradients, "CPU")
_LIB.impl("bias_gradient", _bias_gradient, "CPU")
_LIB.impl("mask", _mask, "CPU")


def _on_cuda(name: str) -> Any:
    def call(*arguments: Any) -> Any:
        # Only here: Triton is not everywhere, and takes a while to import.
        from . import _triton

        return getattr(_triton, name)(*arguments)

    return call


for _name in ("forward", "input_gradient", "weight_gradient", "both_gradients", "bias_gradient"):
    _LIB.impl(_name, _on_cuda(_name), "CUDA")
# It has no tensor to be dispatched by.
_LIB.impl("draw_key", lambda layer, *, device: draw_key(layer), "CompositeExplicitAutograd")


@torch.library.register_fake("dropconnect_torch::forward", lib=_LIB)
def _(input: Tensor, weight: Tensor, bias: Tensor | None, *mask: Any) -> Tensor:
    return input.new_empty(input.shape[0], weight.shape[0])


@torch.library.register_fake("dropconnect_torch::input_gradient", lib=_LIB)
def _(grad_output: Tensor, weight: Tensor, *mask: Any) -> Tensor:
    return grad_output.new_empty(grad_output.shape[0], weight.shape[1])


@torch.library.register_fake("dropconnect_torch::weight_gradient", lib=_LIB)
def _(grad_output: Tensor, input: Tensor, *mask: Any) -> Tensor:
    return grad_output.new_empty(grad_output.shape[1], input.shape[1])


@torch.library.register_fake("dropconnect_torch::both_gradients", lib=_LIB)
def _(grad_output: Tensor, input: Tensor, weight: Tensor, *mask: Any) -> tuple[Tensor, Tensor]:
    return grad_output.new_empty(input.shape), grad_output.new_empty(weight.shape)


@torch.library.register_fake("dropconnect_torch::bias_gradient", lib=_LIB)
def _(grad_output: Tensor) -> Tensor:
    return grad_output.new_empty(grad_output.shape[1])


@torch.library.register_fake("dropconnect_torch::mask", lib=_LIB)
def _(batch: int, outputs: int, inputs: int, key: Tensor, *mask: Any) -> Tensor:
    return key.new_empty((batch, outputs, inputs), dtype=torch.uint8)


@torch.library.register_fake("dropconnect_torch::draw_key", lib=_LIB)
def _(layer: int, *, device: torch.device) -> Tensor:
    return torch.empty(3, dtype=torch.int64, device=device)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, weight, _, key, *mask = inputs
    ctx.save_for_backward(input, weight, key)
    ctx.mask = mask


def _backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
    input, weight, key = ctx.saved_tensors
    need_input, need_weight, need_bias = ctx.needs_input_grad[:3]
    ops = torch.ops.dropconnect_torch
    grad_input = grad_weight = grad_bias = None
    if need_input and need_weight:
        grad_input, grad_weight = ops.both_gradients(grad_output, input, weight, key, *ctx.mask)
    elif need_input:
        grad_input = ops.input_gradient(grad_output, weight, key, *ctx.mask)
    elif need_weight:
        grad_weight = ops.weight_gradient(grad_output, input, key, *ctx.mask)
    if need_bias:
        # Not torch's sum: its threads, which wait for more work without sleeping, would take the cores from ours.
        grad_bias = ops.bias_gradient(grad_output)
    return grad_input, grad_weight, grad_bias, None, None, None, None


def _refuse(ctx: Any, *grads: Tensor | None) -> Sequence[Tensor | None]:
    raise NotImplementedError(
        "dropconnect_torch: there is no gradient of a gradient in float32, float16 and bfloat16; "
        "float64 tensors have one (by a plain path that stores the mask)"
    )


torch.library.register_autograd("dropconnect_torch::forward", _backward, setup_context=_setup, lib=_LIB)
for _name in ("input_gradient", "weight_gradient", "both_gradients", "bias_gradient"):
    torch.library.register_autograd(f"dropconnect_torch::{_name}", _refuse, lib=_LIB)


def _refuse_vmap(*args: Any) -> Any:
    raise NotImplementedError(
        "dropconnect_torch: there is no vmap over DropConnect. For a batch, pass `input` with leading dimensions: each "
        "index of them is an example with a mask of its own. For a model, call it without vmap, or in evaluation"
    )


# Else torch would call an operator again and again with one key, where gradients are off, and each example of a batch
# would be the first one.
for _name in ("forward", "input_gradient", "weight_gradient", "both_gradients", "bias_gradient", "mask"):
    _LIB.impl(_name, _refuse_vmap, "FuncTorchBatched")


class DropConnectFunction(torch.autograd.Function):
    """`forward` with its gradients: the same as the operator's own, which takes a third longer to call."""

    @staticmethod
    def forward(*args: Any) -> Tensor:
        out: Tensor = torch.ops.dropconnect_torch.forward(*args)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _setup(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(ctx, grad_output)

    @staticmethod
    def vmap(*args: Any) -> Any:
        return _refuse_vmap(*args)
