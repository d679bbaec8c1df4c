#!/usr/bin/env python3
"""PyTorch in the rounds of `dropconnect bench`: answers the protocol of docs/bench-json.md.

    dropconnect bench --device cpu --beside "python3 scripts/peers/serve.py --way dense"

Ways: `dense`, a linear layer; `shared`, one mask for the batch, drawn in the forward pass; `stored`, a mask for each
example, drawn in the forward pass and stored, as the published package does it with one temporary less. Gradients are
those that autograd computes for the tensors that a pass asks for. TF32 is off.
"""

import argparse
import json
import os
import sys
import time

import torch

SAMPLES = 64
WRONG = 0.02  # of sums in bf16; what is wrong is further off
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
PASSES = {"forward": "", "input gradient": "x", "weight gradient": "w", "both gradients": "xw"}
WAYS = {
    "dense": "linear without bias",
    "shared": "linear with a mask for the batch of torch.rand, drawn in the forward pass",
    "stored": "bmm of weights under masks of torch.rand, drawn in the forward pass",
}
NAMES = {"dense": "torch dense", "shared": "torch shared mask", "stored": "torch stored mask"}


def available():
    """Bytes of memory that a program may still take, where Linux tells."""
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def processors():
    """As many as this process may use, where the system tells, as ours counts them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Unable(Exception):
    """This pass is not for this program, in words."""


def draw(way, x, w, p):
    """Which connections are kept; none for a dense layer."""
    if way == "dense":
        return None
    shape = w.shape if way == "shared" else (x.shape[0], *w.shape)
    return torch.rand(shape, device=x.device) >= p


def forward(way, x, w, kept, p):
    if way == "dense":
        return torch.nn.functional.linear(x, w)
    if way == "shared":
        return torch.nn.functional.linear(x, w * kept) / (1 - p)
    return torch.bmm(w * kept, x.unsqueeze(-1)).squeeze(-1) / (1 - p)


class Task:
    """A pass of one problem, checked."""

    def __init__(self, way, device, task):
        self.way, self.device, self.p = way, device, task["p"]
        if task["element"] not in DTYPES:
            raise Unable(f"there is no element type {task['element']}")
        if task["pass"] not in PASSES:
            raise Unable(f"this program times no pass {task['pass']}")
        n, o, i = (task[axis] for axis in ("batch", "outputs", "inputs"))
        dtype, self.wanted = DTYPES[task["element"]], PASSES[task["pass"]]
        if way == "stored" and device == "cpu":
            # The mask as drawn (f32) and as kept, the masked weights, their gradient, and that masked.
            needed, free = n * o * i * (4 + 1 + 3 * dtype.itemsize), available()
            if free is not None and needed > free:
                raise Unable(f"a mask and what it masks are {needed >> 20} MiB, of {free >> 20} available")
        torch.manual_seed(1)
        tensor = lambda *shape: (2 * torch.rand(*shape) - 1).to(device, dtype)
        self.x, self.w, self.g = tensor(n, i), tensor(o, i), tensor(n, o)
        self.leaves = [leaf for name, leaf in (("x", self.x), ("w", self.w)) if name in self.wanted]
        for leaf in self.leaves:
            leaf.requires_grad_()
        # Backward reads what the forward pass has kept; a forward pass draws anew.
        self.kept = draw(way, self.x, self.w, self.p)
        self.y = forward(way, self.x, self.w, self.kept, self.p) if self.wanted else None
        self.error = self.check()

    def run(self):
        if self.wanted:
            return torch.autograd.grad(self.y, self.leaves, self.g, retain_graph=True)
        with torch.no_grad():
            self.kept = draw(self.way, self.x, self.w, self.p)
            return (forward(self.way, self.x, self.w, self.kept, self.p),)

    def check(self):
        """The largest relative error of a sample of a result against sums in float64."""
        results = self.run()
        x, w, g = (tensor.detach().double().cpu() for tensor in (self.x, self.w, self.g))
        scale = 1 if self.way == "dense" else 1 / (1 - self.p)
        kept = lambda n, o, i: 1 if self.kept is None else self.kept[(n, o, i)[-self.kept.dim():]].double().cpu()
        every = slice(None)
        sums = {
            "": lambda n, o: (x[n] * w[o] * kept(n, o, every)).sum(),
            "x": lambda n, i: (g[n] * w[:, i] * kept(n, every, i)).sum(),
            "w": lambda o, i: (g[:, o] * x[:, i] * kept(every, o, i)).sum(),
        }
        largest = 0.0
        for result, which in zip(results, self.wanted or [""]):
            places = [[int(torch.randint(size, ())) for size in result.shape] for _ in range(SAMPLES)]
            want = scale * torch.stack([sums[which](*place) for place in places])
            got = torch.stack([result[tuple(place)].detach().double().cpu() for place in places])
            error = float((got - want).norm() / want.norm())
            if not error <= WRONG:
                raise ValueError(f"relative error {error} against float64, of {WRONG} allowed")
            largest = max(largest, error)
        return largest


class Program:
    """What is asked, and what is answered."""

    def __init__(self, way, device):
        self.way, self.device, self.task = way, device, None
        threads = int(os.environ.get("RAYON_NUM_THREADS") or 0) or processors()
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        self.missing = device == "cuda" and not torch.cuda.is_available()
        self.adapter = f"CPU, {threads} threads"
        if device == "cuda":
            self.adapter = "none: PyTorch sees no CUDA device" if self.missing else torch.cuda.get_device_name()

    def hello(self, _):
        return {"hello": {
            "protocol": 1,
            "name": NAMES[self.way],
            "version": f"PyTorch {torch.__version__}",
            "adapter": self.adapter,
            "kernels": f"{WAYS[self.way]}; gradients by its autograd",
            "timer": "CUDA events around the calls" if self.device == "cuda" else "wall clock",
        }}

    def prepare(self, asked):
        self.task = None
        try:
            if self.missing:
                raise Unable("PyTorch sees no CUDA device")
            self.task = Task(self.way, self.device, asked)
        except (Unable, torch.OutOfMemoryError, MemoryError) as error:
            return {"unable": str(error)}
        return {"ready": self.task.error}

    def sample(self, asked):
        calls = asked["calls"]
        if asked["lead"]:
            self.task.run()
        if self.device == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(calls):
                self.task.run()
            end.record()
            end.synchronize()
            return {"milliseconds": begin.elapsed_time(end)}
        begin = time.perf_counter()
        for _ in range(calls):
            self.task.run()
        return {"milliseconds": 1e3 * (time.perf_counter() - begin)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, default="dense")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="as `dropconnect bench` passes it on")
    # What else it passes on is about adapters and kernels of ours.
    options, _ = parser.parse_known_args()
    program = Program(options.way, "cuda" if options.device == "gpu" else "cpu")
    for line in sys.stdin:
        try:
            (what, asked), = json.loads(line).items()
            if what not in ("hello", "prepare", "sample"):
                raise ValueError(f"{what} is not of protocol 1")
            answer = getattr(program, what)(asked)
        except Exception as error:  # whatever it is, the benchmark is to hear of it
            answer = {"fault": repr(error)}
        print(json.dumps(answer), flush=True)
        if "fault" in answer:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
