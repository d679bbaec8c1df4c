"""The layer and the functions, with torch."""

import copy
import io
import math
import pickle

import dropconnect_torch
import pytest
import torch
from dropconnect_torch import DropConnect, Dropconnect, functional
from torch import nn

KEY = (11, 2, 3)


def masked_linear(x, weight, bias, p, key, sharing="example", sample_origin=0):
    """The layer by PyTorch's own operations, with the mask stored."""
    flat = x.reshape(-1, x.shape[-1])
    mask = functional.mask(len(flat), *weight.shape, p, key=key, sharing=sharing, sample_origin=sample_origin)
    masked = mask.to(weight.dtype) * weight * functional.scale(p)
    y = (masked @ flat.unsqueeze(-1)).squeeze(-1)
    y = y if bias is None else y + bias
    return y.reshape(*x.shape[:-1], len(weight))


def tensors(shape, dtype=torch.float32, bias=True):
    *lead, outputs, inputs = shape
    generator = torch.Generator().manual_seed(hash(shape) % 1000)

    def normal(*size):
        return torch.randn(size, generator=generator).to(dtype).requires_grad_()

    return normal(*lead, inputs), normal(outputs, inputs), normal(outputs) if bias else None


def error_against(result, wanted):
    """The largest error, relative to the largest value."""
    return (
        (result.double() - wanted.double()).abs().max() / wanted.double().abs().max().clamp(min=1e-30)
    ).item()


# Half a unit in the last place of 8 and 11 bits would be 2^-9 and 2^-12, relative to each value; sums round once more.
TOLERANCES = {torch.float32: 2e-6, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8, torch.float64: 1e-14}


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("sharing", ["example", 3, "batch"])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(7, 5, 19), (2, 9, 33, 70), (3, 1, 1), (1, 1, 8), (6, 4)])
def test_gradients_are_those_of_autograd_with_the_mask_stored(shape, p, sharing, dtype):
    # The reference has the same operands, in float64: what is left is the rounding of ours.
    operands = tensors(shape, dtype)
    exact = [operand.detach().double().requires_grad_() for operand in operands]
    y = functional.dropconnect(*operands, p, key=KEY, sharing=sharing, sample_origin=4)
    wanted = masked_linear(*exact, p, KEY, sharing, 4)
    assert y.dtype == dtype and y.shape == wanted.shape
    assert error_against(y, wanted) <= TOLERANCES[dtype]
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(dtype)
    y.backward(grad)
    wanted.backward(grad.double())
    for name, ours, theirs in zip(("input", "weight", "bias"), operands, exact):
        assert ours.grad.dtype == dtype and ours.grad.shape == theirs.grad.shape
        assert error_against(ours.grad, theirs.grad) <= TOLERANCES[dtype], name


@pytest.mark.parametrize("needed", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)])
def test_gradients_that_nobody_needs_are_left_out_and_the_others_are_right(needed):
    operands = tensors((7, 5, 19))
    functional.dropconnect(*operands, 0.2, key=KEY).sum().backward()
    some = [operand.detach().requires_grad_(bool(need)) for operand, need in zip(operands, needed)]
    functional.dropconnect(*some, 0.2, key=KEY).sum().backward()
    for ours, all_of_them, need in zip(some, operands, needed):
        assert torch.equal(ours.grad, all_of_them.grad) if need else ours.grad is None


def test_without_bias():
    x, weight, _ = tensors((7, 5, 19), bias=False)
    assert (
        error_against(functional.dropconnect(x, weight, key=KEY), masked_linear(x, weight, None, 0.5, KEY))
        < 2e-6
    )


@pytest.mark.parametrize("sharing", ["example", "batch"])
@pytest.mark.parametrize("bias", [True, False])
def test_gradcheck(sharing, bias):
    operands = [
        None if operand is None else operand for operand in tensors((2, 3, 4, 5), torch.float64, bias)
    ]

    def layer(*operands):
        return functional.dropconnect(*operands, 0.3, key=KEY, sharing=sharing)

    assert torch.autograd.gradcheck(layer, operands)
    assert torch.autograd.gradgradcheck(layer, operands)


def test_operands_that_are_views():
    x, weight, bias = tensors((6, 8, 10))
    with torch.no_grad():
        plain = functional.dropconnect(x, weight, bias, key=KEY)
        wide = torch.zeros(6, 20)
        wide[:, ::2] = x
        views = (wide[:, ::2], weight.t().contiguous().t(), bias)
        assert torch.equal(functional.dropconnect(*views, key=KEY), plain)
        # What `conj().imag` gives, but contiguous.
        negative = torch._neg_view(-x)
        assert negative.is_neg() and negative.is_contiguous()
        assert torch.equal(functional.dropconnect(negative, weight, bias, key=KEY), plain)
    # The gradient of a sum is an expanded number.
    weight.grad = None
    functional.dropconnect(x, weight, bias, key=KEY).sum().backward()
    dense = torch.ones(6, 8)
    wanted = torch.autograd.grad(functional.dropconnect(x, weight, bias, key=KEY), weight, dense)[0]
    assert torch.equal(weight.grad, wanted)


def test_an_empty_batch():
    x, weight, bias = torch.zeros(0, 5, requires_grad=True), *tensors((3, 4, 5))[1:]
    y = functional.dropconnect(x, weight, bias)
    y.sum().backward()
    assert y.shape == (0, 4) and x.grad.shape == (0, 5) and not weight.grad.any() and not bias.grad.any()


def test_torchs_default_type_and_device_play_no_part():
    x, weight, bias = tensors((3, 4, 5))
    wanted = functional.dropconnect(x, weight, bias, key=KEY)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(functional.dropconnect(x, weight, bias, key=KEY), wanted)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.device("meta"):
        assert torch.equal(functional.dropconnect(x, weight, bias, key=KEY), wanted)
        assert DropConnect(3, 4, seed=1).step == 0


def test_shapes_on_meta():
    layer = DropConnect(5, 4, device="meta")
    assert layer(torch.empty(2, 3, 5, device="meta")).shape == (2, 3, 4)


def test_manual_seed_repeats_the_masks_and_calls_differ():
    layer, x = DropConnect(20, 30), torch.randn(8, 20)
    torch.manual_seed(7)
    first, second = layer(x), layer(x)
    torch.manual_seed(7)
    assert torch.equal(layer(x), first) and not torch.equal(first, second)
    generator = torch.Generator().manual_seed(3)
    by_generator = functional.dropconnect(x, layer.weight, layer.bias, generator=generator)
    generator.manual_seed(3)
    torch.manual_seed(99)
    again = functional.dropconnect(x, layer.weight, layer.bias, generator=generator)
    assert torch.equal(by_generator, again)


def test_a_seed_gives_the_masks_of_its_steps():
    layer, x = DropConnect(20, 30, seed=2**64 - 1, layer=4), torch.randn(8, 20)
    for step in range(3):
        assert layer.step == step and layer.seed == 2**64 - 1
        wanted = masked_linear(x, layer.weight, layer.bias, 0.5, (2**64 - 1, 4, step))
        assert error_against(layer(x), wanted) < 2e-6
        layer.advance()
    layer.step = 1
    assert error_against(layer(x), masked_linear(x, layer.weight, layer.bias, 0.5, (2**64 - 1, 4, 1))) < 2e-6
    for seed in (8, 2**64 - 1):
        ours = dropconnect_torch.mask(3, 4, 5, 0.2, seed=seed, layer=1, step=6)
        assert torch.equal(functional.mask(3, 4, 5, 0.2, key=(seed, 1, 6)), torch.from_numpy(ours))


def test_the_backward_pass_has_the_masks_of_its_forward_pass_after_advance():
    layer, x = DropConnect(20, 30, seed=1), torch.randn(8, 20)
    y = layer(x)
    layer.advance()
    y.sum().backward()
    grad, layer.weight.grad, layer.step = layer.weight.grad, None, 0
    layer(x).sum().backward()
    assert torch.equal(grad, layer.weight.grad)


def test_a_divided_batch_draws_the_masks_of_the_whole_one():
    layer, x = DropConnect(20, 30, seed=1), torch.randn(8, 20)
    whole = layer(x)
    rank_1 = copy.deepcopy(layer)
    rank_1.sample_origin = 4
    assert torch.equal(torch.cat([layer(x[:4]), rank_1(x[4:])]), whole)
    assert not torch.equal(layer(x[4:]), whole[4:])


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_computes_the_same_gradients(reentrant, seed):
    from torch.utils.checkpoint import checkpoint

    model = nn.Sequential(DropConnect(20, 30, seed=seed), nn.ReLU(), DropConnect(30, 5, seed=seed, layer=1))
    x = torch.randn(8, 20, requires_grad=True)
    results = []
    for forward in (model, lambda x: checkpoint(model, x, use_reentrant=reentrant)):
        torch.manual_seed(3)
        y = forward(x)
        # The generator goes on between the passes, as in any training.
        torch.rand(5)
        results.append(
            (y, *torch.autograd.grad(y.square().sum(), [x, *model.parameters()])) if not reentrant else None
        )
        if reentrant:
            model.zero_grad()
            x.grad = None
            y.square().sum().backward()
            results[-1] = (y, x.grad, *(parameter.grad for parameter in model.parameters()))
    for plain, checkpointed in zip(*results):
        assert torch.equal(plain, checkpointed)


def test_autocast_gives_its_type_and_gradients_of_the_parameters():
    layer, x = DropConnect(64, 30, seed=1), torch.randn(8, 64)
    single = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        from_half = layer(x.bfloat16())
        assert layer(x.double().float()).dtype == torch.bfloat16
    assert y.dtype == from_half.dtype == torch.bfloat16
    assert torch.equal(y, single.bfloat16())
    y.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32 and layer.weight.grad.any()


def test_evaluation_is_linear():
    layer, x = DropConnect(20, 30).eval(), torch.randn(8, 20)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert torch.equal(functional.dropconnect(x, layer.weight, training=False), x @ layer.weight.t())


def test_state_dicts_are_those_of_linear_both_ways():
    layer, linear = DropConnect(20, 30, seed=1), nn.Linear(20, 30)
    assert list(layer.state_dict()) == list(linear.state_dict())
    linear.load_state_dict(layer.state_dict())
    assert torch.equal(linear.weight, layer.weight)
    other = nn.Linear(20, 30)
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer.bias, other.bias)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
def test_copies_draw_the_same_masks_and_are_their_own(how):
    layer, x = DropConnect(20, 30, p=0.2, seed=1, sharing=3), torch.randn(8, 20)
    layer.advance()
    if how == "deepcopy":
        new = copy.deepcopy(layer)
    elif how == "pickle":
        new = pickle.loads(pickle.dumps(layer))
    else:
        file = io.BytesIO()
        torch.save(layer, file)
        file.seek(0)
        new = torch.load(file, weights_only=False)
    assert torch.equal(new(x), layer(x))
    new.advance()
    assert (new.step, layer.step) == (2, 1) and not torch.equal(new(x), layer(x))


def test_from_linear_shares_the_parameters_and_draws_nothing():
    linear = nn.Linear(20, 30, bias=False, dtype=torch.bfloat16).eval()
    state = torch.get_rng_state()
    layer = DropConnect.from_linear(linear, 0.2)
    assert torch.equal(torch.get_rng_state(), state)
    assert layer.weight is linear.weight and layer.bias is None and not layer.training and layer.p == 0.2
    with pytest.raises(ValueError, match="`linear` is a NonDynamicallyQuantizableLinear"):
        DropConnect.from_linear(nn.MultiheadAttention(4, 2).out_proj)


def test_names_and_words():
    assert Dropconnect is DropConnect
    assert repr(DropConnect(2, 3, p=0.2)) == "DropConnect(in_features=2, out_features=3, bias=True, p=0.2)"
    assert repr(DropConnect(2, 3, seed=1, layer=4, sharing="batch")).endswith(
        "p=0.5, seed=1, layer=4, sharing='batch')"
    )


def test_one_example_and_one_output_keep_their_shape():
    assert DropConnect(5, 1)(torch.randn(1, 5)).shape == (1, 1)
    assert DropConnect(5, 1)(torch.randn(5)).shape == (1,)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"p": 1.0}, "`p`: drop probability is 1"),
        ({"p": -0.1}, "`p`: drop probability is -0.1"),
        ({"p": math.nan}, "`p`: drop probability is NaN"),
        ({"seed": -1}, "`seed` is -1"),
        ({"seed": 2**64}, "`seed` is 18446744073709551616"),
        ({"layer": 2**32}, "`layer` is 4294967296"),
        ({"sharing": "row"}, "`sharing` is 'row'"),
    ],
)
def test_layers_refuse_by_name(changed, words):
    with pytest.raises(ValueError, match=words):
        DropConnect(2, 3, **changed)
    with pytest.raises(ValueError, match=words):
        DropConnect.from_linear(nn.Linear(2, 3), **changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"p": 1.0}, "`p`: drop probability is 1"),
        ({"input": torch.zeros(3, 4, dtype=torch.int64)}, "`input` is of torch.int64; it must be float32"),
        (
            {"input": torch.zeros(3, 4, dtype=torch.complex64)},
            "`input` is of torch.complex64; it must be float32",
        ),
        ({"weight": torch.zeros(5, 4).double()}, "`weight` is of torch.float64 and `input` of torch.float32"),
        ({"bias": torch.zeros(5).half()}, "`bias` is of torch.float16 and `input` of torch.float32"),
        ({"input": torch.zeros(3, 5)}, r"`input` is of shape \(3, 5\); its last must be 4"),
        ({"input": torch.zeros(())}, r"`input` is of shape \(\)"),
        ({"weight": torch.zeros(4)}, r"`weight` is of shape \(4,\); it must be \[outputs, inputs\]"),
        ({"weight": torch.zeros(0, 4), "bias": None}, r"`weight` is of shape \(0, 4\)"),
        ({"bias": torch.zeros(4)}, r"`bias` is of shape \(4,\); it must be \[5\]"),
        ({"sharing": 0}, "`sharing` is 0"),
        ({"sample_origin": -1}, "`sample_origin` is -1"),
        ({"key": torch.zeros(3)}, r"`key` is a tensor of torch.float32 and shape \(3,\)"),
        ({"key": torch.zeros(2, dtype=torch.int64)}, r"shape \(2,\)"),
        ({"key": torch.tensor([0, -1, 0])}, "`layer` is -1"),
        ({"key": (0, 0)}, r"`key` is \(0, 0\)"),
        ({"generator": torch.Generator()}, "`generator` is of no use"),
    ],
)
def test_functions_refuse_by_name(changed, words):
    arguments = {"input": torch.zeros(3, 4), "weight": torch.zeros(5, 4), "bias": torch.zeros(5), "key": KEY}
    functional.dropconnect(**arguments)
    with pytest.raises(ValueError, match=words):
        functional.dropconnect(**{**arguments, **changed})


def elsewhere(where):
    class Elsewhere(torch.Tensor):
        """A tensor that says that it is on another device."""

        @property
        def device(self):
            return torch.device(where)

    return torch.zeros(3, 4).as_subclass(Elsewhere)


def test_other_devices_are_refused_with_what_to_do(monkeypatch):
    weight = torch.zeros(5, 4)
    with pytest.raises(ValueError, match=r'`input` is on mps:0;.* on the CPU only: .*\.to\("cpu"\)'):
        functional.dropconnect(elsewhere("mps:0"), weight)
    monkeypatch.setattr(functional, "_HAS_TRITON", False)
    with pytest.raises(ValueError, match=r"`input` is on cuda:1;.* with Triton only \(pip install triton\)"):
        functional.dropconnect(elsewhere("cuda:1"), weight)
    monkeypatch.setattr(functional, "_HAS_TRITON", True)
    with pytest.raises(ValueError, match="`weight` is on cpu and `input` on cuda:1"):
        functional.dropconnect(elsewhere("cuda:1"), weight)


def test_steps_without_a_seed_are_refused():
    with pytest.raises(ValueError, match="`seed` is None"):
        DropConnect(2, 3).advance()
