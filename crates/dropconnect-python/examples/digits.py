"""Trains a network on scikit-learn's 1,797 digits with `nn.Linear`, ours and, where it can be imported, the package
`dropconnect` in the middle: test accuracy and CPU time over seeds.

`python examples/digits.py [--seeds 20] [--package-seeds 10] [--p 0.5]`. A seed decides which half of the images is for
training, the first weights and the order of the examples, the same for all layers; the masks are the layer's own.
"""

import argparse
import os
import statistics
import time

import torch
from dropconnect_torch import DropConnect
from sklearn.datasets import load_digits
from torch import nn

try:
    from dropconnect import Dropconnect as Package
except ImportError:
    Package = None

HIDDEN = 256


def train(make, seed, images, labels, arguments):
    """Test accuracy in percent, and seconds of CPU time for the training."""
    torch.manual_seed(seed)
    order = torch.randperm(len(images))
    half = len(images) // 2
    known, unknown = order[:half], order[half:]
    model = nn.Sequential(
        nn.Linear(images.shape[1], HIDDEN), nn.ReLU(), make(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # Of its own: layers that draw masks would change the order of the examples.
    shuffle = torch.Generator().manual_seed(seed)
    start = time.process_time()
    for _ in range(arguments.epochs):
        for batch in known[torch.randperm(half, generator=shuffle)].split(arguments.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    seconds = time.process_time() - start
    right = model.eval()(images[unknown]).argmax(1) == labels[unknown]
    return 100 * right.float().mean().item(), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--package-seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--p", type=float, default=0.5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    layers = {
        "nn.Linear": (nn.Linear, arguments.seeds),
        "ours": (lambda *size: DropConnect(*size, p=arguments.p), arguments.seeds),
    }
    if Package is not None:
        layers["the package"] = (lambda *size: Package(*size, p=arguments.p), arguments.package_seeds)

    results = {name: [] for name in layers}
    for seed in range(max(seeds for _, seeds in layers.values())):
        for name, (make, seeds) in layers.items():
            if seed < seeds:
                results[name].append(train(make, seed, images, labels, arguments))

    print(f"torch {torch.__version__}, 1 thread, {os.cpu_count()} cores; {vars(arguments)}")
    for name, of_seeds in results.items():
        right, seconds = zip(*of_seeds)
        print(
            f"{name:12} {len(right):3} seeds: accuracy {statistics.mean(right):6.2f} % +- {statistics.stdev(right):.2f}"
            f", {min(right):.2f} to {max(right):.2f}; {statistics.median(seconds):7.2f} s of CPU time"
        )
    # The same halves, weights and orders: what is left is the layer, and its masks.
    for name, of_seeds in list(results.items())[1:]:
        pairs = [dense - right for (right, _), (dense, _) in zip(of_seeds, results["nn.Linear"])]
        error = statistics.stdev(pairs) / len(pairs) ** 0.5
        print(
            f"{name:12} errors less those of nn.Linear, seed by seed: {statistics.mean(pairs):+.2f} +- {error:.2f} %"
        )


if __name__ == "__main__":
    main()
