"""The kernels for CUDA tensors, bit for bit and sum for sum beside those of the CPU: on a GPU where there is one, else
in Triton's interpreter (`conftest.py`)."""

import importlib
import math
import os
import subprocess
import sys

import pytest
import torch
from dropconnect_torch import DropConnect, _native, functional

_triton = pytest.importorskip("dropconnect_torch._triton", exc_type=ModuleNotFoundError)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KEY = functional.make_key(2**63 + 5, 7, 2**33 + 1)
# One plane; two; some of the last eight; those and some of the first state; all.
PROBABILITIES = [0.5, 0.25, 1 - 3 / 256, 1 - 1 / 512, 0.2]
OPS = torch.ops.dropconnect_torch


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def on_device(name, *arguments):
    results = getattr(_triton, name)(
        *(a.to(DEVICE) if isinstance(a, torch.Tensor) and a is not KEY else a for a in arguments)
    )
    return [result.cpu() for result in results] if isinstance(results, tuple) else results.cpu()


def relative_error(result, wanted):
    return ((result.double() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("first", [0, 6, 2**32 - 6])
@pytest.mark.parametrize("p", [*PROBABILITIES, 1 - 1 / 65536, 0.0])
def test_masks_are_bit_for_bit_those_of_the_cpu(p, first):
    ours = _triton.coordinate_masks(first, 5, 9, 17, KEY, p, DEVICE)
    assert torch.equal(ours.cpu(), functional.mask(5, 9, 17, p, key=KEY, sample_origin=first))


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_number_of_planes(bits):
    p = 1 - (2 ** (bits - 1) + (bits > 1)) / 2**bits
    assert _native.threshold(p)[1] == bits
    ours = _triton.coordinate_masks(0, 4, 4, 8, KEY, p, DEVICE)
    assert torch.equal(ours.cpu(), functional.mask(4, 4, 8, p, key=KEY))


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize(("batch", "origin"), [(3, 0), (4, 2)])
def test_passes_have_the_masks_of_the_cpu(batch, origin, p):
    # X, W and G of ones but for one example, output or input: what comes out is the mask, scaled, bit for bit.
    outputs, inputs = 5, 9
    scaled = functional.mask(
        batch, outputs, inputs, p, key=KEY, sample_origin=origin
    ).float() * _native.scale(p)
    mask = (KEY, p, 1, origin)
    some = torch.arange(max(batch, outputs, inputs))
    one_input, one_output, one_example = (some == 8).float()[:inputs], (some == 3).float()[:outputs], 2
    y = on_device("forward", one_input.expand(batch, inputs), torch.ones(outputs, inputs), None, *mask)
    assert torch.equal(y, scaled[:, :, 8])
    dx = on_device("input_gradient", one_output.expand(batch, outputs), torch.ones(outputs, inputs), *mask)
    assert torch.equal(dx, scaled[:, 3])
    g = torch.zeros(batch, outputs)
    g[one_example] = 1
    dw = on_device("weight_gradient", g, torch.ones(batch, inputs), *mask)
    assert torch.equal(dw, scaled[one_example])


@pytest.mark.parametrize("sharing", ["example", 3, "batch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_and_types(dtype, sharing):
    # More bricks than a tile holds, in no direction whole ones, and parts of a sum.
    batch, outputs, inputs, p, origin = 37, 19, 35, 0.5, 6
    x, w, b, g = (
        normal(*size).to(dtype) for size in [(batch, inputs), (outputs, inputs), (outputs,), (batch, outputs)]
    )
    kept = functional.mask(batch, outputs, inputs, p, key=KEY, sharing=sharing, sample_origin=origin)
    kept = kept.double() * _native.scale(p)
    mask = (KEY, p, {"example": 1, "batch": 0}.get(sharing, sharing), origin)
    y = on_device("forward", x, w, b, *mask)
    dx, dw = on_device("both_gradients", g, x, w, *mask)
    exact = [tensor.double() for tensor in (x, w, g)]
    wanted = {
        "y": (y, torch.einsum("noi,ni,oi->no", kept, exact[0], exact[1]) + b.double()),
        "dx": (dx, torch.einsum("noi,no,oi->ni", kept, exact[2], exact[1])),
        "dw": (dw, torch.einsum("noi,no,ni->oi", kept, exact[2], exact[0])),
        "db": (on_device("bias_gradient", g), g.double().sum(0)),
    }
    for name, (ours, theirs) in wanted.items():
        assert ours.dtype == dtype and ours.is_contiguous()
        assert relative_error(ours, theirs) < (1e-6 if dtype == torch.float32 else 2.0**-8), name


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_dropped_weight_counts_as_nothing(bad):
    kept = functional.mask(1, 4, 8, key=KEY)[0]
    weight = torch.where(kept != 0, 1.0, bad)
    y = on_device("forward", torch.ones(1, 8), weight, None, KEY, 0.5, 1, 0)
    assert torch.equal(y[0], 2.0 * kept.sum(1))


def test_nothing_is_dropped_at_zero_and_an_empty_batch_is_empty():
    x, w = normal(3, 5), normal(4, 5)
    torch.testing.assert_close(on_device("forward", x, w, None, KEY, 0.0, 1, 0), x @ w.t())
    mask = (KEY, 0.5, 1, 0)
    assert on_device("forward", x[:0], w, None, *mask).shape == (0, 4)
    dx, dw = on_device("both_gradients", torch.zeros(0, 4), x[:0], w, *mask)
    assert dx.shape == (0, 5) and dw.shape == (4, 5) and not dw.any()


def test_operands_are_read_as_they_are():
    # Views: transposed, and beginning where two floats cannot be read at once.
    x, w = normal(4, 8), normal(8, 8)
    wanted = on_device("forward", x, w, None, KEY, 0.5, 1, 0)
    odd = torch.zeros(33)[1:].view(4, 8)
    odd[:] = x
    assert odd.data_ptr() % 8 == 4
    assert torch.equal(on_device("forward", odd, w.t().contiguous().t(), None, KEY, 0.5, 1, 0), wanted)
    g = normal(4, 8)
    for name, operands in (("input_gradient", (g, w)), ("weight_gradient", (g, x))):
        odd[:] = operands[0]
        assert torch.equal(
            on_device(name, odd, operands[1], *(KEY, 0.5, 1, 0)),
            on_device(name, *operands, *(KEY, 0.5, 1, 0)),
        )


def test_a_triton_that_is_too_old_is_refused(monkeypatch):
    monkeypatch.setattr("triton.__version__", "3.2.0+git1")
    with pytest.raises(
        ImportError, match=r"needs Triton 3\.3 or later for CUDA tensors, and this is 3\.2\.0"
    ):
        importlib.reload(_triton)


def test_the_kernels_compile_for_gpus_that_are_not_here():
    # In a process without the interpreter. Threads share nothing, and so need no memory of theirs.
    program = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from dropconnect_torch import _triton
from dropconnect_torch._native import threshold

def compiled(kernel, capability, p, **constants):
    constants |= dict(zip(("THRESHOLD", "BITS"), threshold(p)))
    types = {"left": "*fp32", "right": "*fp32", "out": "*fp32", "scale": "fp32"}
    signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in kernel.arg_names}
    # What Triton makes a constant of where it is 1 has no type then.
    for parameter in kernel.params:
        if signature[parameter.name] == "i32" and not parameter.do_not_specialize:
            signature[parameter.name] = "constexpr"
            constants[parameter.name] = 1
    source = ASTSource(kernel, signature, constexprs=constants)
    return compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 1, "num_stages": 1})

for kind, capability, p in ((0, 90, 0.5), (1, 80, 0.2), (2, 90, 0.5)):
    kernel = compiled(_triton._contract, capability, p, KIND=kind, BR=_triton.TILE_R, BC=_triton.TILE_C)
    assert kernel.metadata.shared == 0 and kernel.asm["cubin"]
assert compiled(_triton._masks, 80, 0.2, BLOCK=128).asm["cubin"]
"""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(DEVICE.type != "cuda", reason="no CUDA device here: the layer on one is not tested")
def test_the_layer_on_a_device():
    layer, x = DropConnect(64, 48, 0.2, seed=1), normal(3, 5, 64)
    y = layer(x)
    y.square().sum().backward()
    # Copies: the layer takes its gradients along to the device, in place.
    wanted = [t.detach().clone() for t in (y, *(p.grad for p in layer.parameters()))]
    layer.to(DEVICE)
    layer.zero_grad()
    y = layer(x.to(DEVICE))
    y.square().sum().backward()
    for ours, theirs in zip([y, *(p.grad for p in layer.parameters())], wanted):
        assert ours.device.type == "cuda" and relative_error(ours.cpu(), theirs.double()) < 1e-5
    compiled = torch.compile(layer, fullgraph=True)
    assert torch.equal(compiled(x.to(DEVICE)), y)
