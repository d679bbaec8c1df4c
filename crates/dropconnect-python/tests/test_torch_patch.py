"""Patching models, and Monte-Carlo predictions."""

import math

import pytest
import torch
from dropconnect_torch import DropConnect, mc_predict, patch_module, unpatch_module
from torch import nn


def model():
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 5)))


def test_patching_keeps_modules_parameters_and_hooks_and_unpatching_gives_linear_back():
    net = model()
    parameters, modules, seen = list(net.parameters()), list(net.modules()), []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    x, keys = torch.randn(4, 20), list(net.state_dict())
    plain = net(x)
    assert patch_module(net, 0.2, seed=6) is net
    layers = [layer for layer in net.modules() if isinstance(layer, DropConnect)]
    assert [(layer.p, layer.seed, layer.layer) for layer in layers] == [(0.2, 6, n) for n in range(3)]
    assert all(new is old for new, old in zip(net.parameters(), parameters))
    assert all(new is old for new, old in zip(net.modules(), modules))
    assert not torch.equal(net(x), plain) and torch.equal(net.eval()(x), plain)
    assert len(seen) == 3 and list(net.state_dict()) == keys
    net.train()
    assert unpatch_module(net) is net
    assert torch.equal(net(x), plain)
    assert [type(module) for module in net.modules()] == [type(module) for module in model().modules()]
    assert vars(net[0]).keys() == vars(nn.Linear(20, 30)).keys()


def test_the_root_the_filter_and_a_copy():
    root = nn.Linear(3, 4)
    assert patch_module(root) is root and type(root) is DropConnect
    net = model()
    patch_module(net, filter=lambda name, linear: name != "2.1" and linear.in_features == 30)
    assert [type(layer) for layer in (net[0], net[2][0], net[2][1])] == [nn.Linear, DropConnect, nn.Linear]
    net = model()
    other = patch_module(net, inplace=False)
    assert (
        type(net[0]) is nn.Linear and type(other[0]) is DropConnect and other[0].weight is not net[0].weight
    )


def test_what_patches_nothing_is_refused_and_bad_arguments_change_nothing():
    for nothing in (nn.ReLU(), patch_module(model())):
        with pytest.raises(ValueError, match=r"`module` has no torch\.nn\.Linear"):
            patch_module(nothing)
    net = model()
    with pytest.raises(ValueError, match="`p`"):
        patch_module(net, 1.0)
    assert not any(isinstance(module, DropConnect) for module in net.modules())


def test_attention_in_training_is_not_broken_by_patching():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(2, 3, 8)
    plain = encoder(x)
    patch_module(encoder, 0.5)
    assert type(encoder.self_attn.out_proj) is not DropConnect and type(encoder.linear1) is DropConnect
    assert not torch.equal(encoder(x), plain) and torch.allclose(encoder.eval()(x), plain, atol=1e-5)


@pytest.mark.parametrize("seed", [None, 3])
def test_mc_predict_is_what_its_passes_give(seed):
    net = nn.Sequential(
        DropConnect(20, 30, seed=seed), nn.ReLU(), nn.Dropout(0.5), DropConnect(30, 5, seed=seed, layer=1)
    )
    x, modes = torch.randn(4, 7, 20), [module.training for module in net.modules()]
    torch.manual_seed(2)
    prediction = mc_predict(net, x, 6)
    assert [module.training for module in net.modules()] == modes
    assert [layer.seed for layer in (net[0], net[3])] == [seed, seed]
    torch.manual_seed(2)
    drawn = nn.Sequential(*(DropConnect.from_linear(net[n], layer=net[n].layer) for n in (0, 3)))
    passes = torch.stack([drawn[1](drawn[0](x).relu()).double().softmax(-1) for _ in range(6)])
    assert not torch.equal(passes[0], passes[1])

    def entropy(p):
        return -(p * p.log()).sum(-1)

    mean = passes.mean(0)
    torch.testing.assert_close(prediction.probabilities, mean.float())
    torch.testing.assert_close(prediction.entropy, entropy(mean).float())
    torch.testing.assert_close(
        prediction.mutual_information, (entropy(mean) - entropy(passes).mean(0)).float()
    )


def test_mc_predict_of_what_is_certain_infinite_or_nan():
    layer = DropConnect(1, 2, bias=False)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([[1e6], [-1e6]])
    certain = mc_predict(layer, torch.zeros(1, 1), 3)
    assert certain.entropy.item() == pytest.approx(math.log(2)) and certain.mutual_information.item() == 0
    assert mc_predict(layer, torch.full((1, 1), math.nan), 3).mutual_information.isnan().all()


def test_mc_predict_refuses_by_name():
    with pytest.raises(ValueError, match="`passes` is 0"):
        mc_predict(DropConnect(2, 3), torch.zeros(1, 2), 0)
    with pytest.raises(ValueError, match="`model` has no DropConnect layer"):
        mc_predict(nn.Linear(2, 3), torch.zeros(1, 2), 3)


def test_mc_predict_restores_the_model_where_it_fails():
    net = nn.Sequential(DropConnect(2, 3, seed=1), nn.Dropout())
    with pytest.raises(ValueError, match="`input`"):
        mc_predict(net, torch.zeros(1, 5), 3)
    assert net.training and net[1].training and net[0].seed == 1
