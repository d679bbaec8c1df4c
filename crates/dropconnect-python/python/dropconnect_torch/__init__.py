"""DropConnect: linear layers that drop single weights, others for every example, and store no mask.

`DropConnect` (also `Dropconnect`), `functional`, `patch_module`, `unpatch_module` and `mc_predict` need torch
(`pip install dropconnect-torch[torch]`). `mask` and the functions of `arrays` need NumPy only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import arrays
from .arrays import mask, scale

if TYPE_CHECKING:
    from . import functional, nn, patch
    from .nn import DropConnect, Dropconnect
    from .patch import Prediction, mc_predict, patch_module, unpatch_module

__all__ = [
    "DropConnect",
    "Dropconnect",
    "Prediction",
    "arrays",
    "functional",
    "mask",
    "mc_predict",
    "nn",
    "patch",
    "patch_module",
    "scale",
    "unpatch_module",
]

# Imported when asked for, since torch is an extra, and takes seconds to import.
_HOMES = {
    "DropConnect": "nn",
    "Dropconnect": "nn",
    "Prediction": "patch",
    "mc_predict": "patch",
    "patch_module": "patch",
    "unpatch_module": "patch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in ("functional", "nn", "patch"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f".{_HOMES.get(name, name)}", __name__)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"dropconnect_torch.{name} needs torch: pip install 'dropconnect-torch[torch]'", name="torch"
        ) from error
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
