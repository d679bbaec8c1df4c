"""`torch.compile`, with the backend that makes code, and torch's own checks of the operators."""

import pytest
import torch
from dropconnect_torch import DropConnect, functional
from torch import nn
from torch.utils.checkpoint import checkpoint

OPS = torch.ops.dropconnect_torch
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def operands(*shape, dtype=torch.float32, grad=True):
    batch, outputs, inputs = shape
    generator = torch.Generator().manual_seed(1)
    sizes = ((batch, inputs), (outputs, inputs), (outputs,))
    return [torch.randn(size, generator=generator).to(dtype).requires_grad_(grad) for size in sizes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("grad", [True, False])
def test_opcheck(dtype, grad):
    x, weight, bias = operands(5, 6, 9, dtype=dtype, grad=grad)
    g = torch.randn(5, 6).to(dtype).requires_grad_(grad)
    mask = (functional.make_key(1, 2, 3), 0.2, 3, 4)
    torch.library.opcheck(OPS.forward.default, (x, weight, bias, *mask), test_utils=CHECKS)
    torch.library.opcheck(OPS.forward.default, (x, weight, None, *mask), test_utils=CHECKS)
    torch.library.opcheck(OPS.mask.default, (5, 6, 9, *mask), test_utils=CHECKS)
    # These have no gradient, and refuse one when it is asked for.
    g, x, weight = (operand.detach() for operand in (g, x, weight))
    torch.library.opcheck(OPS.input_gradient.default, (g, weight, *mask), test_utils=CHECKS)
    torch.library.opcheck(OPS.weight_gradient.default, (g, x, *mask), test_utils=CHECKS)
    torch.library.opcheck(OPS.bias_gradient.default, (g,), test_utils=CHECKS)
    torch.library.opcheck(OPS.both_gradients.default, (g, x, weight, *mask), test_utils=CHECKS)


def test_opcheck_of_drawing():
    # The other checks call it twice and compare: it is random.
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(OPS.draw_key.default, (3,), {"device": torch.device("cpu")}, test_utils=checks)


def gradients(layer, x):
    layer.zero_grad()
    y = layer(x)
    y.square().sum().backward()
    return [y.detach(), *(parameter.grad.clone() for parameter in layer.parameters())]


@pytest.mark.parametrize("seed", [None, 1])
def test_compiled_draws_the_masks_of_eager(seed):
    model = nn.Sequential(
        DropConnect(20, 30, seed=seed), nn.ReLU(), DropConnect(30, 5, 0.2, seed=seed, layer=1)
    )
    compiled = torch.compile(model, fullgraph=True)
    x = torch.randn(8, 20)
    for step in range(3):
        torch.manual_seed(step)
        eager = gradients(model, x)
        torch.manual_seed(step)
        for ours, wanted in zip(gradients(compiled, x), eager):
            torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
    torch.manual_seed(77)
    if seed is None:
        assert not torch.allclose(compiled(x), eager[0])


def test_steps_compile_nothing_anew():
    layer, x = DropConnect(20, 30, seed=1), torch.randn(8, 20)
    compiled = torch.compile(layer, fullgraph=True)
    compiled(x)
    with torch._dynamo.config.patch(error_on_recompile=True):
        outputs = []
        for _ in range(4):
            outputs.append(compiled(x).detach())
            torch.testing.assert_close(outputs[-1], layer(x).detach())
            layer.advance()
    assert not torch.equal(outputs[0], outputs[1])


def test_batches_of_any_size():
    layer = DropConnect(20, 30, seed=1)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for batch in (8, 5, 3):
        x = torch.randn(batch, 20)
        torch.testing.assert_close(compiled(x), layer(x))


def test_float64_and_autocast():
    layer = DropConnect(20, 30, 0.2, seed=1)
    x = torch.randn(8, 20)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(torch.compile(layer, fullgraph=True)(x), layer(x))
    layer.double()
    torch.testing.assert_close(torch.compile(layer, fullgraph=True)(x.double()), layer(x.double()))


def test_checkpointing_in_a_compiled_graph():
    model = nn.Sequential(DropConnect(20, 30), nn.ReLU(), DropConnect(30, 5))
    x = torch.randn(8, 20)

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return checkpoint(self.model, x, use_reentrant=False)

    torch.manual_seed(3)
    eager = gradients(model, x)
    torch.manual_seed(3)
    for ours, wanted in zip(gradients(torch.compile(Checkpointed(), fullgraph=True), x), eager):
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
