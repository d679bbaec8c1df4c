"""Forward pass and all gradients: dense `nn.Linear`, ours, and the package `dropconnect` where it can be imported.

`python benches/layer.py [--threads N] [--shape BATCH,INPUTS,OUTPUTS]`: milliseconds of CPU time of all threads and of
the wall clock, medians. All are measured in turn, in one process. `dropconnect` 0.1.2 stores its mask: 0.5 GB and more.
"""

import argparse
import statistics
import time

import torch
from dropconnect_torch import DropConnect
from torch import nn

try:
    from dropconnect import Dropconnect as Package
except ImportError:
    Package = None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shape", default="128,1024,1024")
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    batch, inputs, outputs = map(int, arguments.shape.split(","))
    x, grad = torch.randn(batch, inputs, requires_grad=True), torch.randn(batch, outputs)

    fast = {"dense": nn.Linear(inputs, outputs)}
    fast.update({f"ours, p = {p}": DropConnect(inputs, outputs, p=p) for p in (0.5, 0.2)})
    slow = {}
    if Package is not None:
        slow.update({f"the package, p = {p}": Package(inputs, outputs, p=p) for p in (0.5, 0.2)})

    def step(layer):
        layer.zero_grad(set_to_none=True)
        x.grad = None
        cpu, wall = time.process_time(), time.perf_counter()
        layer(x).backward(grad)
        return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)

    times = {name: [] for name in (*fast, *slow)}
    for turn in range(arguments.rounds):
        for name, layer in fast.items():
            step(layer)
            times[name] += [step(layer) for _ in range(8)]
        if turn % 2 == 0:
            for name, layer in slow.items():
                times[name].append(step(layer))

    dense = statistics.median(cpu for cpu, _ in times["dense"])
    for name, measured in times.items():
        cpu, wall = (statistics.median(column) for column in zip(*measured))
        print(f"{name:20} CPU {cpu:9.2f} ms, {cpu / dense:6.2f} times dense; wall {wall:9.2f} ms")


if __name__ == "__main__":
    main()
