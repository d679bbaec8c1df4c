"""The layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import _native
from ._sharing import Sharing, sharing_code
from .functional import draw_key, dropconnect, make_key


class DropConnect(nn.Linear):
    """`torch.nn.Linear` that in training drops single weights with probability `p`, others for every example.

    Its parameters and its `state_dict` are those of `Linear`, and in evaluation it is `Linear`.

    Masks come from torch's generator, like those of `torch.nn.Dropout`. With `seed=` they are those of
    `(seed, layer, step)` instead, the same on every machine: give every layer of a model its own `layer`, and call
    `advance()` after every step of the optimiser. The step is not part of the `state_dict`: set `step` where a training
    goes on.

    `sample_origin` is the global number of the first example of a batch, 0 unless it is set. Where the processes of a
    distributed training have the same seed, set it to `rank * batch`, else they all draw the same masks.
    """

    p: float
    sharing: Sharing
    sample_origin: int
    _key: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        p: float = 0.5,
        *,
        seed: int | None = None,
        layer: int = 0,
        sharing: Sharing = "example",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        # Before the parameters, which may be large.
        checked(p, seed, layer, sharing)
        super().__init__(in_features, out_features, bias, device, dtype)
        self._configure(p, seed, layer, sharing)

    def _configure(self, p: float, seed: int | None, layer: int, sharing: Sharing) -> None:
        # No buffer: it belongs neither in the `state_dict` nor on another device, nor is DDP to send it around.
        self._key = checked(p, seed, layer, sharing)
        self.p = p
        self.layer = layer
        self.sharing = sharing
        self.sample_origin = 0

    @classmethod
    def from_linear(
        cls,
        linear: nn.Linear,
        p: float = 0.5,
        *,
        seed: int | None = None,
        layer: int = 0,
        sharing: Sharing = "example",
    ) -> DropConnect:
        """A layer with the parameters of `linear`: the same tensors, not copies."""
        if type(linear) not in (nn.Linear, DropConnect):
            raise ValueError(
                f"`linear` is a {type(linear).__name__}; it must be a torch.nn.Linear, and no subclass"
            )
        # `meta`: parameters that are replaced need no memory, and draw nothing from the generator.
        bias = linear.bias is not None
        new = cls(
            linear.in_features,
            linear.out_features,
            bias,
            p,
            seed=seed,
            layer=layer,
            sharing=sharing,
            device="meta",
        )
        new.weight, new.bias = linear.weight, linear.bias
        return new.train(linear.training)

    @property
    def seed(self) -> int | None:
        """The seed of explicit masks; None where they come from torch's generator."""
        return None if self._key is None else int(self._key[0]) % 2**64

    @property
    def step(self) -> int | None:
        """The step of explicit masks; None where they come from torch's generator."""
        # Not an error there: whoever lists what an object has would see it.
        return None if self._key is None else int(self._key[2])

    @step.setter
    def step(self, step: int) -> None:
        # Into the same tensor, which a compiled graph takes as an input.
        self._stepping().copy_(make_key(0 if self.seed is None else self.seed, self.layer, step))

    def advance(self, steps: int = 1) -> None:
        """Goes on to the masks of the next step. To be called after `backward`, which under activation checkpointing
        computes the forward pass a second time."""
        self.step = int(self._stepping()[2]) + steps

    def _stepping(self) -> Tensor:
        if self._key is None:
            raise ValueError(
                "`seed` is None: masks come from torch's generator, and there are no steps to set"
            )
        return self._key

    def __prepare_scriptable__(self) -> nn.Module:
        # Asked for by `torch.jit.script`. Not a Linear in its place: torch would put that into the caller's model.
        raise NotImplementedError(
            "dropconnect_torch: torch.jit.script cannot compile a DropConnect; give it "
            "unpatch_module(copy.deepcopy(model).eval()), whose layers are torch.nn.Linear. torch.compile and "
            "torch.export take the model as it is"
        )

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return F.linear(input, self.weight, self.bias)
        # A copy: the backward pass needs the key of its forward pass.
        key = draw_key(self.layer) if self._key is None else self._key.clone()
        return dropconnect(
            input,
            self.weight,
            self.bias,
            self.p,
            key=key,
            sharing=self.sharing,
            sample_origin=self.sample_origin,
        )

    def extra_repr(self) -> str:
        seeded = "" if self._key is None else f", seed={self.seed}, layer={self.layer}"
        shared = "" if self.sharing == "example" else f", sharing={self.sharing!r}"
        return f"{super().extra_repr()}, p={self.p}{seeded}{shared}"


def checked(p: float, seed: int | None, layer: int, sharing: Sharing) -> Tensor | None:
    """The key of a layer's first step, if it has a seed. Refuses options that no layer can have."""
    _native.scale(p)
    sharing_code(sharing)
    key = make_key(0 if seed is None else seed, layer)
    return None if seed is None else key


Dropconnect = DropConnect
