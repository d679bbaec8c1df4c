#!/usr/bin/env python3
"""Runs what `dropconnect shader --export FOLDER` wrote, in Python: masks against the vectors of the mask format, passes
against NumPy in float64. For f32 and f16, without bias or with one, in any shape.

    pip install wgpu numpy
    dropconnect shader --export kernels --class integrated --shape 64,96,200 --p 0.5 --seed 2013 --layer 1 --step 77
    python run_export.py kernels tests/data/vectors.json
"""
import hashlib, json, pathlib, sys
import numpy as np
import wgpu

folder = pathlib.Path(sys.argv[1])
export = json.loads((folder / "export.json").read_text())
needs, mask, dtypes = export["needs"], export["mask"], {"f32": np.float32, "f16": np.float16, "u8": np.uint8}
adapter = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
device = adapter.request_device_sync(required_features=needs["features"])
Usage, errors = wgpu.BufferUsage, {"f32": 1e-6, "f16": 1e-3}


def buffer(data, usage=Usage.STORAGE | Usage.COPY_SRC):
    return device.create_buffer_with_data(data=data.ljust(-(-len(data) // 4) * 4, b"\xff"), usage=usage)


def run(one, values):
    """The results of a pass, out of operands by name. Results are poisoned first."""
    held = {t["name"]: buffer(values[t["name"]].tobytes() if t["role"] == "operand" else b"\xff" * t["bytes"])
            for t in one["tensors"]}
    held |= {m["name"]: buffer(np.array(m.get("words", [0] * (m["bytes"] // 4)), np.uint32).tobytes())
             for m in one.get("memory", [])}
    for call in one["dispatches"]:
        held["parameters"] = buffer(bytes.fromhex(call["parameters"]), Usage.UNIFORM)
        module = device.create_shader_module(code=(folder / call["shader"]).read_text())
        compute = {"module": module, "entry_point": call["entry_point"]}
        pipeline = device.create_compute_pipeline(layout="auto", compute=compute)
        bound = [{"binding": b["binding"], "resource": {"buffer": held[b["holds"]], "offset": b["offset"],
                  "size": b["bytes"]}} for b in call["bindings"]]
        encoder = device.create_command_encoder()
        compute_pass = encoder.begin_compute_pass()
        compute_pass.set_pipeline(pipeline)
        layout = pipeline.get_bind_group_layout(0)
        compute_pass.set_bind_group(0, device.create_bind_group(layout=layout, entries=bound))
        compute_pass.dispatch_workgroups(*call["workgroups"])
        compute_pass.end()
        device.queue.submit([encoder.finish()])
    read = lambda t: np.frombuffer(device.queue.read_buffer(held[t["name"]]), dtypes[t["element"]])
    return {t["name"]: read(t)[:int(np.prod(t["shape"]))].reshape(t["shape"])
            for t in one["tensors"] if t["role"] == "result"}


def philox(counter, key):
    """What keys are derived by: docs/mask-format.md."""
    for r in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        k = [(key[w] + r * export["key"]["step"][w]) % 2**32 for w in (0, 1)]
        counter = [b >> 32 ^ counter[1] ^ k[0], b % 2**32, a >> 32 ^ counter[3] ^ k[1], a % 2**32]
    return counter


def words(step):
    seed, layer, domain = int(mask["seed"]), int(mask["layer"]), export["key"]["domains"]["masks"]
    return philox([step % 2**32, step >> 32, layer, domain], [seed % 2**32, seed >> 32])[:2]


n, o, i = export["batch"], export["outputs"], export["inputs"]
shapes, random = {"x": (n, i), "weight": (o, i), "bias": (o,), "grad_output": (n, o)}, np.random.default_rng()
data = {name: random.standard_normal(shape).astype(dtypes[export["element"]]) for name, shape in shapes.items()}
passes, failed = {one["pass"]: one for one in export["passes"]}, []


def check(name, text, good):
    print(f"{name:16} {text:44} {'ok' if good else 'FAILED'}")
    failed.extend([] if good else [name])


print(f"{adapter.info['device']} ({adapter.info['backend_type']}), wgpu-py {wgpu.__version__}; {export['kernels_for']}")
# The key's words, and those of the next step: what a host writes over `round_keys` from step to step.
check("keys", "derived in Python", all(words(known["step"]) == known["masks"] for known in export["key"]["known"]))
bits = {name: run(passes[name], {})[name] for name in ("mask", "bias_mask") if name in passes}
check("mask", f"{bits['mask'].mean():.4f} kept", bits["mask"].max() <= 1)
if len(sys.argv) > 2:
    group = int(mask["examples_per_mask"].replace("batch", "0"))
    call = {"n": n, "l": o, "d": i, "p": float(mask["p_drop"]), "seed": mask["seed"], "layer": int(mask["layer"]),
            "step": mask["step"], "offsets": [int(c) for c in mask["origin"].split(",")], "examples_per_mask": group,
            "max_bits": int(mask["p_drop_bits"])}
    vectors = json.loads(pathlib.Path(sys.argv[2]).read_text())
    cases = [case for case in vectors["small"] + vectors["large"] if call.items() <= case.items()]
    packed = hashlib.sha256(np.packbits(bits["mask"], bitorder="little").tobytes()).hexdigest()
    check("mask", f"as {len(cases)} of the vectors", bool(cases) and all(c["mask_sha256"] == packed for c in cases))
scale = float(mask["scale"])
kept = scale * bits["mask"].astype(float)
bias_kept = scale * bits["bias_mask"] if "bias_mask" in bits else np.ones((n, o))
x, w, b, g = (value.astype(np.float64) for value in data.values())
want = {"y": np.einsum("noi,ni,oi->no", kept, x, w) + (bias_kept * b if export["bias"] != "none" else 0),
        "grad_x": np.einsum("noi,no,oi->ni", kept, g, w), "grad_weight": np.einsum("noi,no,ni->oi", kept, g, x),
        "grad_bias": (bias_kept * g).sum(0)}
for name in (name for name in passes if name not in bits):
    for result, got in run(passes[name], data).items():
        error = np.linalg.norm(got - want[result]) / np.linalg.norm(want[result])
        check(name, f"{result}: relative L2 error {error:.1e}", error <= errors[export["element"]])
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
