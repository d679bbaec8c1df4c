"""A mask's key as operators take it."""

from __future__ import annotations

import torch
from torch import Tensor


def words(key: Tensor) -> tuple[int, int, int]:
    """The key for the native module, whose seed has no sign."""
    if key.dtype != torch.int64 or key.shape != (3,) or key.device.type != "cpu":
        raise ValueError(
            f"`key` is a tensor of {key.dtype} and shape {tuple(key.shape)} on {key.device}; "
            "it must be int64 [seed, layer, step] on the CPU"
        )
    seed, layer, step = key.tolist()
    return seed % 2**64, layer, step
