"""Forward pass and all gradients: dense `nn.Linear`, ours, a lean version of PyTorch's own operations that stores its
mask, and the package `dropconnect` where it can be imported.

`python benches/layer.py [--threads 1,2] [--shapes 32,256,256 128,1024,1024] [--p 0.5,0.2]`: milliseconds of CPU time of
all threads and of the wall clock, medians and spread. All are measured in turn, in one process. What stores masks is
left out, and said to be, where it would need more than `--memory` GiB: 13 bytes a connection, from its code.

`--device cuda`: on a GPU, with ours as Triton kernels, milliseconds between two events of the GPU and of the wall
clock, which counts the host's part too; the package, which draws its masks on the host, is left out. TF32 is off.
"""

import argparse
import os
import platform
import statistics
import time

import torch
from dropconnect_torch import DropConnect, _native
from torch import nn

try:
    from dropconnect import Dropconnect as Package
except ImportError:
    Package = None

# A byte of mask, and in float32 the masked weights, their gradient, and that gradient masked.
STORED_BYTES = 13


class Lean(nn.Linear):
    """The mask as a byte, drawn the fastest way torch has; one masked copy of the weights; nothing else stored."""

    def __init__(self, inputs, outputs, p):
        super().__init__(inputs, outputs)
        self.p = p

    def forward(self, x):
        keep = torch.rand(len(x), *self.weight.shape, device=x.device) >= self.p
        masked = torch.where(keep, self.weight, 0.0)
        return torch.bmm(masked, (x / (1 - self.p)).unsqueeze(-1)).squeeze(-1) + self.bias


class ProcessTime:
    """CPU time of all threads."""

    name = "CPU"

    def start(self):
        self.begin = time.process_time()

    def stop(self):
        return 1e3 * (time.process_time() - self.begin)


class Events:
    """Time between two events on the GPU. Waits for the second."""

    name = "GPU"

    def start(self):
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        torch.cuda.synchronize()
        self.events[0].record()

    def stop(self):
        begin, end = self.events
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)


def measure(shape, threads, arguments):
    torch.set_num_threads(threads)
    batch, inputs, outputs = shape
    device = torch.device(arguments.device)
    x = torch.randn(batch, inputs, device=device, requires_grad=True)
    grad = torch.randn(batch, outputs, device=device)
    clock = Events() if device.type == "cuda" else ProcessTime()
    layers, slow = {"dense": nn.Linear(inputs, outputs)}, set()
    for p in arguments.p:
        layers[f"ours, p = {p}"] = DropConnect(inputs, outputs, p=p)
    gib = STORED_BYTES * batch * inputs * outputs / 2**30
    for p in arguments.p:
        for name, make in (("lean eager", Lean), ("the package", Package)):
            if make is Package and device.type != "cpu":
                continue
            if make is not None and gib <= arguments.memory:
                layers[f"{name}, p = {p}"] = make(inputs, outputs, p=p)
                slow.add(f"{name}, p = {p}")
    for layer in layers.values():
        layer.to(device)

    def step(layer):
        layer.zero_grad(set_to_none=True)
        x.grad = None
        clock.start()
        wall = time.perf_counter()
        layer(x).backward(grad)
        milliseconds = clock.stop()
        return milliseconds, 1e3 * (time.perf_counter() - wall)

    # The short ones often enough to be seen by the clock of CPU time.
    repeats = max(1, min(100, round(6e8 / (batch * inputs * outputs))))
    times = {name: [] for name in layers}
    for turn in range(arguments.rounds):
        for name, layer in layers.items():
            if name not in slow:
                step(layer)
                times[name] += [step(layer) for _ in range(repeats)]
            elif turn < arguments.slow_rounds:
                times[name].append(step(layer))

    print(f"\n{batch} x {inputs} x {outputs} (batch x inputs x outputs), {threads} thread(s)")
    if gib > arguments.memory:
        print(f"  what stores masks would need {gib:.1f} GiB and is left out: --memory is {arguments.memory}")
    medians = {name: statistics.median(own for own, _ in measured) for name, measured in times.items()}
    for name, measured in times.items():
        own, wall = zip(*measured)
        line = f"  {name:20} {clock.name} {medians[name]:9.3f} ms ({min(own):.3f}..{max(own):.3f})"
        line += f", wall {statistics.median(wall):9.3f}, {medians[name] / medians['dense']:8.2f} times dense"
        if name in slow:
            line += f", {medians[name] / medians['ours' + name[name.index(',') :]]:7.1f} times ours"
        print(f"{line}; {len(own)} runs", flush=True)


def main():
    def of(kind):
        return lambda text: [kind(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=of(int), default=[1, 2])
    shapes = [[32, 256, 256], [128, 1024, 1024], [1024, 2048, 2048]]
    parser.add_argument("--shapes", type=of(int), nargs="+", default=shapes, metavar="BATCH,INPUTS,OUTPUTS")
    parser.add_argument("--p", type=of(float), default=[0.5, 0.2])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--slow-rounds", type=int, default=3)
    parser.add_argument("--memory", type=float, default=8.0)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    where = f"torch {torch.__version__}, "
    if arguments.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        arguments.threads = arguments.threads[:1]
        where += f"{torch.cuda.get_device_name()}, "
    print(
        f"{where}{_native.instruction_set()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for shape in arguments.shapes:
        for threads in arguments.threads:
            measure(shape, threads, arguments)


if __name__ == "__main__":
    main()
