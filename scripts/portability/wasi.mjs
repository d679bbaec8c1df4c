// Runs a program for wasm32-wasip1 in Node: `node wasi.mjs PROGRAM.wasm ARGUMENTS`. For `scripts/test-portability.sh`.

import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1',
  args: [program, ...args],
  env: process.env,
  preopens: { '/': '/' },
  returnOnExit: true,
});

// Debian's wasi-libc lacks what Rust's own copy of it says of threads: attributes are fine, and there are none to be
// had (EAGAIN).
const EAGAIN = 6;
const env = {
  pthread_attr_init: () => 0,
  pthread_attr_setstacksize: () => 0,
  pthread_attr_destroy: () => 0,
  pthread_create: () => EAGAIN,
  pthread_join: () => EAGAIN,
  pthread_detach: () => EAGAIN,
};

// Functions around Node's own: called directly, Node 20 takes a short cut to them that crashes in long programs.
const { wasi_snapshot_preview1: calls } = wasi.getImportObject();
const wasi_snapshot_preview1 = Object.fromEntries(
  Object.entries(calls).map(([name, call]) => [name, (...values) => call(...values)]),
);

const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1, env });
process.exitCode = wasi.start(instance);
