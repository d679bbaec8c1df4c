"""Tests of torch are collected where torch is installed; with DROPCONNECT_REQUIRE_TORCH=1 its absence is a failure."""

import importlib.util
import os

TORCH = importlib.util.find_spec("torch") is not None
if os.environ.get("DROPCONNECT_REQUIRE_TORCH") == "1" and not TORCH:
    raise ImportError("DROPCONNECT_REQUIRE_TORCH=1, and torch is not installed")

# Where there is no GPU the kernels for one run in Triton's interpreter, which has to be chosen before they are defined.
if TORCH:
    import torch

    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"

collect_ignore_glob = [] if TORCH else ["test_torch_*.py"]
