"""What PyTorch does to functions and models: gradients of gradients, `torch.func`, TorchScript, `torch.export`.

What the layer cannot do it refuses in words of its own, with gradients and without.
"""

import copy
import inspect

import pytest
import torch
from dropconnect_torch import DropConnect, functional, patch_module, unpatch_module
from torch import nn

KEY = (11, 2, 3)


def operands(dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*size, generator=generator, dtype=dtype) for size in ((3, 5), (4, 5), (4,))]


def test_a_gradient_of_a_gradient_in_float32_is_refused():
    x, weight, bias = (operand.requires_grad_() for operand in operands())
    y = functional.dropconnect(x, weight, bias, key=KEY)
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no gradient of a gradient"):
        grad.sum().backward()


@pytest.mark.parametrize("grad", [True, False])
def test_vmap_is_refused(grad):
    x, weight, _ = operands()
    with torch.set_grad_enabled(grad), pytest.raises(NotImplementedError, match="no vmap over DropConnect"):
        torch.func.vmap(lambda row: functional.dropconnect(row, weight, key=KEY))(x)
    with torch.set_grad_enabled(grad), pytest.raises(NotImplementedError, match="no vmap over DropConnect"):
        torch.func.vmap(lambda w: functional.dropconnect(x, w, key=KEY))(torch.stack([weight, -weight]))


def test_vmap_of_a_gradient_is_refused():
    x, weight, _ = operands()

    def loss(weight, row):
        return functional.dropconnect(row, weight, key=KEY).square().sum()

    with pytest.raises(NotImplementedError, match="no vmap over DropConnect"):
        torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, x)


def test_vmap_in_evaluation_is_that_of_linear():
    layer, x = DropConnect(5, 4).eval(), operands()[0]
    torch.testing.assert_close(torch.func.vmap(layer)(x), layer(x))


def test_func_grad():
    x, weight, bias = operands()
    weight.requires_grad_()
    functional.dropconnect(x, weight, bias, key=KEY).sum().backward()
    grad = torch.func.grad(lambda w: functional.dropconnect(x, w, bias, key=KEY).sum())(weight.detach())
    assert torch.equal(grad, weight.grad)


def test_forward_mode_is_refused_but_in_float64():
    for dtype in (torch.float32, torch.float64):
        x, weight, bias = operands(dtype)

        def layer(x, weight=weight, bias=bias):
            return functional.dropconnect(x, weight, bias, key=KEY)

        if dtype == torch.float64:
            # It is linear in x.
            y, tangent = torch.func.jvp(layer, (x,), (x,))
            torch.testing.assert_close(tangent, y - bias)
        else:
            # In torch's words: its compiler refuses functions that have a `jvp`, were it to refuse.
            with pytest.raises(NotImplementedError, match="jvp"):
                torch.func.jvp(layer, (x,), (x,))


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("training", [True, False])
def test_torchscript_is_refused_and_the_plain_model_can_be_scripted(seed, training):
    model = patch_module(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), seed=seed)
    model.train(training)
    with pytest.raises(NotImplementedError, match=r"jit\.script cannot compile a DropConnect"):
        torch.jit.script(model)
    assert type(model[0]) is DropConnect
    # As it says.
    plain = torch.jit.script(unpatch_module(copy.deepcopy(model).eval()))
    x = operands()[0]
    assert torch.equal(plain(x), model.eval()(x)) and type(model[0]) is DropConnect


@pytest.mark.parametrize("seed", [None, 1])
def test_tracing_is_refused_in_training(seed):
    layer, x = DropConnect(5, 4, seed=seed), operands()[0]
    with pytest.raises(NotImplementedError, match=r"jit\.trace would keep the masks"):
        torch.jit.trace(layer, x)
    layer.eval()
    assert torch.equal(torch.jit.trace(layer, x)(x), layer(x))


@pytest.mark.parametrize("training", [True, False])
def test_export(training):
    layer, x = DropConnect(5, 4).train(training), operands()[0]
    exported = torch.export.export(layer, (x,)).module()
    torch.manual_seed(3)
    wanted = layer(x)
    torch.manual_seed(3)
    assert torch.equal(exported(x), wanted)
    assert torch.equal(exported(x), wanted) != training


@pytest.mark.parametrize("seed", [None, 1])
def test_a_layer_can_be_looked_at(seed):
    members = dict(inspect.getmembers(DropConnect(5, 4, seed=seed)))
    assert members["seed"] == seed and members["step"] == (None if seed is None else 0)
