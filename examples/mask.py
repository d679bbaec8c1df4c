#!/usr/bin/env python3
"""Every bit of a mask in thirty lines of NumPy, after docs/mask-format.md: slow, and good to read or to port from."""

import numpy as np


def philox(counter, key, first, rounds):
    """So many rounds of Philox4x32, from round `first` on, of four arrays of uint64 that hold 32 bits each."""
    a, b, c, d = counter
    for r in range(first, first + rounds):
        k0, k1 = ((k + r * w) % 2**32 for k, w in zip(key, (0x9E3779B9, 0xBB67AE85)))
        p, q = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = q >> np.uint64(32) ^ b ^ k0, q % 2**32, p >> np.uint64(32) ^ d ^ k1, p % 2**32
    return [np.asarray(word, np.uint64) for word in (a, b, c, d)]


def mask(batch, outputs, inputs, p, seed, layer=0, step=0, bits=16, examples_per_mask=1):
    """Which connections are kept, `[batch, outputs, inputs]`. One mask for `examples_per_mask` examples, 0: for all."""
    threshold = int((1 - p) * 2**bits + 0.5)
    while bits and threshold % 2 == 0:
        threshold, bits = threshold // 2, bits - 1
    counter = [np.array([word], np.uint64) for word in (step % 2**32, step // 2**32, layer, 0x44435632)]
    key = [int(word[0]) for word in philox(counter, (seed % 2**32, seed // 2**32), 0, 10)[:2]]

    n, o, i = (np.asarray(axis, np.uint64) for axis in np.ogrid[:batch, :outputs, :inputs])
    c = n // np.uint64(examples_per_mask) if examples_per_mask else n * np.uint64(0)
    state = philox(np.broadcast_arrays(i // 8, o // 4, c // 4, np.uint64(0)), key, 0, 10)
    word, lane = (c % 4).astype(int), (o % 4 * 8 + i % 8).astype(int)
    keep, rounds = np.zeros((batch, outputs, inputs), bool), 10
    for plane in range(bits):  # from the least significant one
        turn, rotation = 0, 0
        if plane < bits - 8:
            turn = bits - 9 - plane
            rotation = (0, 28, 22, 8, 9, 25, 3, 30)[turn]
        elif plane > 0:
            state = philox(state, key, rounds, 3)
            rounds += 3
        drawn = np.choose((word + turn) % 4, state) >> ((lane - rotation) % 32).astype(np.uint64) & np.uint64(1) == 1
        keep = keep | ~drawn if threshold >> plane & 1 else keep & ~drawn
    return keep if bits else ~keep


if __name__ == "__main__":
    for row in mask(batch=2, outputs=4, inputs=32, p=0.3, seed=42).reshape(-1, 32):
        print("".join("#" if kept else "." for kept in row))
