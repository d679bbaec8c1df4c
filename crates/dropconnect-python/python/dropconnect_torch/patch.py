"""DropConnect in models that exist, and predictions with its uncertainty."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ._sharing import Sharing
from .nn import DropConnect, checked

Filter = Callable[[str, nn.Linear], bool]

# What a patched module has and a `Linear` has not.
_OWN = ("p", "layer", "sharing", "sample_origin", "_key")


def patch_module(
    module: nn.Module,
    p: float = 0.5,
    filter: Filter | None = None,
    inplace: bool = True,
    *,
    seed: int | None = None,
    sharing: Sharing = "example",
) -> nn.Module:
    """Makes a `DropConnect` of every `torch.nn.Linear` in `module` for which `filter(name, linear)` is true.

    The modules stay the same objects: parameters, hooks, optimisers and references to them are good. With `seed`,
    layers are numbered in the order of `named_modules`. Subclasses of `Linear` stay as they are: their users, such as
    `MultiheadAttention`, take the weight without calling them.
    """
    module = module if inplace else copy.deepcopy(module)
    found = [
        linear
        for name, linear in module.named_modules()
        if type(linear) is nn.Linear and (filter is None or filter(name, linear))
    ]
    if not found:
        raise ValueError(
            "`module` has no torch.nn.Linear to patch (subclasses and those filtered out do not count)"
        )
    # Before any is changed. The numbers of layers cannot be too large.
    checked(p, seed, 0, sharing)
    for layer, linear in enumerate(found):
        linear.__class__ = DropConnect
        linear._configure(p, seed, layer, sharing)  # type: ignore[operator]
    return module


def unpatch_module(module: nn.Module) -> nn.Module:
    """Makes a `torch.nn.Linear` of every `DropConnect` in `module`, in place."""
    for layer in module.modules():
        if type(layer) is DropConnect:
            for name in _OWN:
                delattr(layer, name)
            layer.__class__ = nn.Linear  # type: ignore[assignment]
    return module


class Prediction(NamedTuple):
    """Over the masks drawn: `[..., classes]` and, of entropies, `[...]`, in nats."""

    probabilities: Tensor
    """The mean of the softmax."""
    entropy: Tensor
    """Of the mean: all uncertainty."""
    mutual_information: Tensor
    """What the entropy of the mean is above the mean entropy: the uncertainty of the weights."""


def mc_predict(model: nn.Module, x: Tensor, passes: int) -> Prediction:
    """Classifies `x` by `passes` networks: `DropConnect` layers drop weights, all else is in evaluation.

    The model gives logits, `[..., classes]`. Masks come from torch's generator, also those of layers with a seed.
    """
    if not isinstance(passes, int) or passes < 1:
        raise ValueError(f"`passes` is {passes!r}; it must be an integer, 1 at least")
    modules = list(model.modules())
    layers = [layer for layer in modules if isinstance(layer, DropConnect)]
    if not layers:
        raise ValueError("`model` has no DropConnect layer: every pass would give the same")
    training, keys = [module.training for module in modules], [layer._key for layer in layers]
    try:
        model.eval()
        for layer in layers:
            layer.training = True
            layer._key = None
        total = entropies = torch.zeros((), dtype=torch.float64)
        with torch.no_grad():
            for _ in range(passes):
                log = torch.log_softmax(model(x).double(), -1)
                total = total + log.exp()
                entropies = entropies - _sum_p_log_p(log.exp())
        mean = total / passes
        entropy = -_sum_p_log_p(mean)
        # By Jensen not below 0, but for rounding. NaN stays NaN.
        mutual = (entropy - entropies / passes).clamp(min=0)
        return Prediction(mean.float(), entropy.float(), mutual.float())
    finally:
        for module, was in zip(modules, training):
            module.training = was
        for layer, key in zip(layers, keys):
            layer._key = key


def _sum_p_log_p(p: Tensor) -> Tensor:
    # 0 log 0 is 0.
    out: Tensor = torch.special.xlogy(p, p).sum(-1)
    return out
