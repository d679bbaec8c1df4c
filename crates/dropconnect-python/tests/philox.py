"""Mask format 2 in plain Python, from docs/mask-format.md: a reference that shares no code with the crate."""

import math

import numpy as np

WORD = 2**32 - 1
ROTATIONS = [0, 28, 22, 8, 9, 25, 3, 30]


def philox_states(counter, key, wanted):
    """The state after each number of rounds in `wanted`."""
    state, (k0, k1), states = list(counter), key, {}
    for round in range(1, max(wanted) + 1):
        first, second = 0xD2511F53 * state[0], 0xCD9E8D57 * state[2]
        state = [
            (second >> 32) ^ state[1] ^ k0,
            second & WORD,
            (first >> 32) ^ state[3] ^ k1,
            first & WORD,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
        if round in wanted:
            states[round] = state
    return states


def threshold(p):
    bits, t = 16, math.floor((1 - p) * 65536 + 0.5)
    while t % 2 == 0 and bits > 0:
        t, bits = t // 2, bits - 1
    return t, bits


def expected_scale(p):
    t, bits = threshold(p)
    return 2**bits / t


def expected_mask(batch, outputs, inputs, p, seed=0, layer=0, step=0, sharing=1, sample_origin=0):
    t, bits = threshold(p)
    words = [step & WORD, step >> 32, layer, 0x44435632]
    key = philox_states(words, (seed & WORD, seed >> 32), {10})[10][:2]
    kept = np.empty((batch, outputs, inputs), np.uint8)
    bricks = {}
    for n in range(batch):
        c = 0 if sharing == 0 else (n + sample_origin) // sharing
        for o in range(outputs):
            for i in range(inputs):
                block = (i // 8, o // 4, c // 4, 0)
                if block not in bricks:
                    bricks[block] = philox_states(
                        block, key, {10 + 3 * k for k in range(max(1, min(bits, 9)))}
                    )
                lane = o % 4 * 8 + i % 8
                kept[n, o, i] = _value(bricks[block], bits, c % 4, lane) < t
    return kept


def _value(states, bits, word, lane):
    """The integer of a connection's planes."""
    if bits <= 8:
        return sum((states[10 + 3 * k][word] >> lane & 1) << k for k in range(bits))
    low, value = bits - 8, 0
    for k in range(8):
        value |= (states[10 + 3 * (k + 1)][word] >> lane & 1) << (low + k)
    for t in range(low):
        source, turn = states[10][(word + t) % 4], ROTATIONS[t]
        turned = (source << turn | source >> (32 - turn)) & WORD
        value |= (turned >> lane & 1) << (low - 1 - t)
    return value
