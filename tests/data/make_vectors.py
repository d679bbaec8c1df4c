#!/usr/bin/env python3
"""`python3 tests/data/make_vectors.py` makes vectors.json, to which all implementations of mask format 2 are held.

A reference of docs/mask-format.md and of the layer in NumPy, written from that text and not from the library: it forms
the random integer u of each connection and compares it. Sums are rounded once (`math.fsum`), so that the file is the
same wherever this runs. `--check` compares the file and writes nothing.
"""

import hashlib
import json
import math
import pathlib
import sys

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEP = (0x9E3779B9, 0xBB67AE85)
# Rounds before the first plane, and from one plane to the next.
ROUNDS, PLANE_ROUNDS = 10, 3
MASKS, GAUSSIAN, PASSES = 0x44435632, 0x44434731, 0x44435031
ROTATIONS = (0, 28, 22, 8, 9, 25, 3, 30)
BIAS_INPUT_BLOCK = 0xFFFFFFFF
WORD = 2**32
FILE = pathlib.Path(__file__).with_name("vectors.json")


def rounds(state, key, first, count):
    """`count` rounds of Philox4x32 of states [..., 4], from round `first` of the key schedule on."""
    a, b, c, d = (np.asarray(state, np.uint64)[..., word] for word in range(4))
    for r in range(first, first + count):
        k0, k1 = (np.uint64((k + r * step) % WORD) for k, step in zip(key, KEY_STEP))
        p, q = np.uint64(MULTIPLIERS[0]) * a, np.uint64(MULTIPLIERS[1]) * c
        a, b, c, d = (q >> np.uint64(32)) ^ b ^ k0, q % WORD, (p >> np.uint64(32)) ^ d ^ k1, p % WORD
    return np.stack([a, b, c, d], axis=-1)


def philox(counter, key):
    """The four words of one call, as integers."""
    return [int(word) for word in rounds(counter, key, 0, ROUNDS)]


def key_of(seed, layer, step, domain=MASKS):
    return philox([step % WORD, step // WORD, layer, domain], (seed % WORD, seed // WORD))[:2]


def threshold(p, max_bits):
    """(T, bits) in lowest terms."""
    t, bits = math.floor((1.0 - p) * 2**max_bits + 0.5), max_bits
    while bits > 0 and t % 2 == 0:
        t, bits = t // 2, bits - 1
    return t, bits


def planes(block, key, bits):
    """The bit planes of bricks at [..., 3], most significant first, each [..., 4]."""
    block = np.asarray(block, np.uint64)
    state = rounds(np.concatenate([block, np.zeros_like(block[..., :1])], axis=-1), key, 0, ROUNDS)
    # Least significant first.
    drawn = [state]
    if bits > 8:
        turned = (np.roll(state, -t, axis=-1) << np.uint64(r) for t, r in enumerate(ROTATIONS[: bits - 8]))
        drawn = [(plane % WORD) | (plane >> np.uint64(32)) for plane in turned][::-1]
    for k in range(bits - len(drawn)):
        state = rounds(state, key, ROUNDS + PLANE_ROUNDS * k, PLANE_ROUNDS)
        drawn.append(state)
    return drawn[::-1]


def keep(coordinate, o, i_block, i_lane, key, p, max_bits):
    """Whether connections are kept: global indices that broadcast, the input's as its block and its lane."""
    t, bits = threshold(p, max_bits)
    indices = (np.asarray(index, np.uint64) for index in (coordinate, o, i_block, i_lane))
    coordinate, o, i_block, i_lane = np.broadcast_arrays(*indices)
    u = np.zeros(coordinate.shape, np.uint64)
    if bits == 0:
        return u == 0
    word = (coordinate % 4)[..., None].astype(np.int64)
    for plane in planes(np.stack([i_block, o // 4, coordinate // 4], axis=-1), key, bits):
        bit = np.take_along_axis(plane, word, axis=-1)[..., 0] >> (o % 4 * 8 + i_lane)
        u = u * np.uint64(2) + bit % 2
    return u < t


def ramp(shape, step, start):
    """Test data of float32 that any language makes again, as float64."""
    index = np.arange(math.prod(shape), dtype=np.int64)
    return ((index * step + start) % 1009 / 1009.0 - 0.5).astype(np.float32).astype(np.float64).reshape(shape)


def total(products, axis):
    """Sums along an axis, each rounded once."""
    rows = np.moveaxis(products, axis, -1)
    sums = [math.fsum(row) for row in rows.reshape(-1, rows.shape[-1]).tolist()]
    return np.array(sums).reshape(rows.shape[:-1])


def packed(bits):
    """Row by row, least significant bit first."""
    return np.packbits(bits.reshape(-1), bitorder="little").tobytes()


def layer(dims, p, where, at=(0, 0, 0), bits=16, masked_bias=False, group=1, listed=True):
    """A layer's masks and its passes. `where` is seed, layer, step; `group` examples share a mask, 0: all."""
    (n, l, d), (seed, number, step) = dims, where  # noqa: E741
    key, (t, used) = key_of(seed, number, step), threshold(p, bits)
    example, output, inputs = (np.arange(size, dtype=np.uint64) + np.uint64(first) for size, first in zip(dims, at))
    coordinate = example // group if group else example * 0
    mask = keep(coordinate[:, None, None], output[:, None], inputs // 8, inputs % 8, key, p, bits)
    bias_mask = keep(coordinate[:, None], output, BIAS_INPUT_BLOCK, 0, key, p, bits)
    scale = 2.0**used / t
    x, w, b, g = ramp((n, d), 31, 7), ramp((l, d), 57, 3), ramp((l,), 13, 1), ramp((n, l), 91, 5)
    kept_bias = scale * bias_mask if masked_bias else np.ones((n, l))
    results = {
        "y": scale * total(x[:, None, :] * w * mask, 2) + kept_bias * b,
        "dx": scale * total(g[:, :, None] * w * mask, 1),
        "dw": scale * total(g[:, :, None] * x[:, None, :] * mask, 0),
        "db": total(kept_bias * g, 0),
    }
    flat = {name: values.reshape(-1).tolist() for name, values in results.items()}
    case = {
        "n": n, "l": l, "d": d, "p": p, "seed": str(seed), "layer": number, "step": str(step), "offsets": list(at),
        "max_bits": bits, "masked_bias": masked_bias, "examples_per_mask": group, "threshold": t, "bits": used,
        "scale": scale, "kept": int(mask.sum()), "mask_sha256": hashlib.sha256(packed(mask)).hexdigest(),
        "sums": {name: math.fsum(values) for name, values in flat.items()},
        "norms": {name: math.sqrt(math.fsum(v * v for v in values)) for name, values in flat.items()},
    }  # fmt: skip
    if listed:
        case["mask_hex"] = packed(mask).hex()
        if masked_bias:
            case["bias_mask_hex"] = packed(bias_mask).hex()
        case |= flat
    return case


def normal(seed, number, step, n, o, call):
    """A call of the generator for Gaussian samples, and its four samples."""
    key = key_of(seed, number, step, GAUSSIAN)
    words, samples = philox([o, n, call, 0], key), []
    for a, b in (words[:2], words[2:]):
        r = math.sqrt(-2.0 * math.log(((a >> 8) + 1) * 2.0**-24))
        angle = 2.0 * math.pi * ((b >> 8) * 2.0**-24)
        samples += [r * math.cos(angle), r * math.sin(angle)]
    return {"seed": str(seed), "layer": number, "step": str(step), "output": o, "sample": n, "call": call,
            "key": hex_words(key), "words": hex_words(words), "samples": samples}  # fmt: skip


def hex_words(words):
    return [f"{int(word):08x}" for word in words]


def vectors():
    # Random123's: zeros, ones, digits of pi.
    known = [((0,) * 4, (0, 0)), ((WORD - 1,) * 4, (WORD - 1,) * 2),
             ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))]  # fmt: skip
    last = (2**64 - 1, WORD - 1, 2**64 - 1)
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0x0123456789ABCDEF, 7, 0xFEDCBA9876543210)]
    probabilities = [(p, bits) for p in (0.0, 1e-6, 0.1, 0.2, 0.25, 0.3, 0.5, 0.75, 0.9, 0.99) for bits in (8, 16)]
    block, block_key = [11, 22, 33], (0x01234567, 0x89ABCDEF)
    small = [layer((3, 5, 11), p, (42, 0, 0)) for p in (0.0, 0.25, 0.5, 0.3)] + [
        layer((5, 3, 9), 0.1, (7, 2, 9), (3, 2, 5), masked_bias=True),
        layer((1, 1, 1), 0.5, (7, 0, 0), masked_bias=True),
        layer((4, 4, 8), 0.5, last, (4, 8, 16), masked_bias=True),
        layer((6, 7, 17), 0.2, (123, 1, 5), bits=8),
        layer((5, 4, 9), 0.37, (5, 0, 3), (1, 2, 3), bits=9),
        layer((8, 6, 19), 0.3, (42, 0, 5), (4, 0, 0), group=3),
        layer((7, 5, 11), 0.5, (7, 3, 2**33 + 1), (2, 3, 5), masked_bias=True, group=2),
        layer((6, 4, 9), 0.1, (2**63, 1, 0), (9, 0, 2), masked_bias=True, group=0),
    ]
    where = (2013, 1, 77)
    large = [layer((64, 96, 200), p, where, masked_bias=True, listed=False) for p in (0.5, 0.75, 0.1)] + [
        layer((33, 129, 257), 0.3, where, (1000003, 77, 123), listed=False),
        layer((40, 33, 70), 0.2, (9, 2, 77), (5, 1, 3), masked_bias=True, group=10, listed=False),
        layer((64, 48, 128), 0.5, (3, 0, 1), (WORD - 64, 0, 0), group=0, listed=False),
        layer((37, 21, 65), 0.9, (11, 5, 6), (2**31, 7, 0), bits=12, masked_bias=True, group=8, listed=False),
    ]
    passes = [((0, 0, 0), 0), ((0, 0, 0), 1), ((0, 0, 1), 0), ((42, 3, 2**40 + 3), 99), (last, WORD - 1)]
    samples = [(0, 0, 0, 0, 0, 0), (42, 1, 2**40 + 3, 1000, 17, 0), (42, 1, 2**40 + 3, 1000, 17, 25),
               (*last, WORD - 1, WORD - 1, WORD - 1)]  # fmt: skip
    return {
        "mask_format": 2,
        "kats": [{"counter": hex_words(c), "key": hex_words(k), "output": hex_words(philox(c, k))} for c, k in known],
        "keys": [
            {"seed": str(seed), "layer": number, "step": str(step), "key": hex_words(key_of(seed, number, step))}
            for seed, number, step in keys
        ],
        "thresholds": [
            {"p": p, "max_bits": bits, "threshold": t, "bits": used, "scale": 2.0**used / t}
            for p, bits in probabilities
            for t, used in [threshold(p, bits)]
        ],
        # What each number of bits draws.
        "bricks": [
            {"block": block, "key": hex_words(block_key), "bits": bits, "planes": [hex_words(row) for row in rows]}
            for bits in (1, 2, 8, 9, 16)
            for rows in [planes(block, block_key, bits)]
        ],
        "small": small,
        "large": large,
        "passes": [
            {"seed": str(seed), "layer": number, "step": str(step), "t": t, "key": hex_words(key[:2])}
            for (seed, number, step), t in passes
            for key in [philox([t, 0, 0, PASSES], key_of(seed, number, step))]
        ],
        "gaussian": [normal(*sample) for sample in samples],
    }


if __name__ == "__main__":
    text = json.dumps(vectors(), indent=1) + "\n"
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"{FILE} is not what {sys.argv[0]} makes")
