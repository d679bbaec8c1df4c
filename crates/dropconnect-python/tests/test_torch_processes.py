"""Threads, forked children and the ranks of a distributed training."""

import os
import subprocess
import sys

import pytest
import torch.distributed


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_trains():
    result = run(
        """
import os, torch
from dropconnect_torch import DropConnect
torch.set_num_threads(2)
layer, x = DropConnect(64, 64, seed=1), torch.ones(8, 64)
def gradient():
    layer.weight.grad = None
    layer(x).sum().backward()
    return layer.weight.grad
parent = gradient()
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(gradient(), parent) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no list of threads here")
def test_set_num_threads_is_respected():
    result = run(
        """
import os, time, torch
from dropconnect_torch import DropConnect
def ours():
    names = (open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task"))
    return sum(name.startswith("dropconnect-") for name in names)
for threads in (3, 1):
    torch.set_num_threads(threads)
    DropConnect(64, 64)(torch.ones(8, 64))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if ours() == threads:
                break
        except (FileNotFoundError, ProcessLookupError):
            pass  # A thread ended while it was looked at.
        time.sleep(0.01)
    else:
        raise AssertionError((threads, ours()))
"""
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without its distributed package")
@pytest.mark.parametrize("seed", [None, 7])
def test_ranks_of_a_distributed_training_compute_what_one_process_does(tmp_path, seed):
    result = run(
        f"""
import os, torch, traceback
from torch import nn
from dropconnect_torch import DropConnect
from torch.nn.parallel import DistributedDataParallel
ranks, batch, steps, seed = 2, 6, 3, {seed}
generator = torch.Generator().manual_seed(1)
x, labels = torch.randn(steps, ranks * batch, 20, generator=generator), torch.arange(ranks * batch) % 5

def train(rank=None):
    torch.manual_seed(0)
    model = nn.Sequential(
        DropConnect(20, 30, 0.2, seed=seed), nn.ReLU(), DropConnect(30, 5, seed=seed, layer=1)
    )
    layers = [layer for layer in model if isinstance(layer, DropConnect)]
    mine = slice(None)
    if rank is not None:
        mine = slice(rank * batch, (rank + 1) * batch)
        for layer in layers:
            layer.sample_origin = mine.start
        model = DistributedDataParallel(model)
    optimizer, gradients = torch.optim.SGD(model.parameters(), lr=0.5), []
    for step in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[step, mine]), labels[mine]).backward()
        gradients += [parameter.grad.clone() for parameter in model.parameters()]
        optimizer.step()
        if seed is not None:
            for layer in layers:
                layer.advance()
    return gradients

def rank_main(rank):
    torch.distributed.init_process_group("gloo", init_method="file://{tmp_path}/meet", rank=rank, world_size=ranks)
    gradients = train(rank)
    torch.distributed.destroy_process_group()
    for ours, wanted in zip(gradients, train(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-6)

children = []
for rank in range(ranks):
    child = os.fork()
    if child == 0:
        try:
            rank_main(rank)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""
    )
    assert result.returncode == 0, result.stderr
