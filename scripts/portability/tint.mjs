// Has Tint, Chromium's compiler, take WGSL files, those that have no 64-bit integers, with WebGPU's default limits:
// `node tint.mjs MODULES FILE...`, MODULES being the node_modules with `webgpu`. Dawn's null backend runs nothing, and
// compiles everything; a process of it breaks down after some three thousand kernels. For scripts/test-portability.sh.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, ...files] = process.argv.slice(2);
const entry = createRequire(join(resolve(modules), 'x.js')).resolve('webgpu');
const { create, globals } = await import(pathToFileURL(entry));
Object.assign(globalThis, globals);

// Kept: Dawn's objects do not keep it.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn has no null backend');
const device = await adapter.requestDevice();
const errors = async (code) => {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const found = messages.filter(({ type }) => type === 'error').map((one) => `line ${one.lineNum}: ${one.message}`);
  if (!found.length) device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const error = await device.popErrorScope();
  if (error && !found.length) found.push(error.message);
  return found;
};

// A check that finds nothing wrong with a wrong kernel is none.
const wrong = '@compute @workgroup_size(64) fn main() { let a = vec4(-3.4028235e38); _ = a; }';
if (!(await errors(wrong)).length) throw new Error('Tint takes a literal that is no f32');

let passed = 0, left = 0, failed = 0;
for (const file of files) {
  const code = await readFile(file, 'utf8');
  if (/\bu64\b/.test(code)) {
    left += 1;
    continue;
  }
  const found = await errors(code);
  if (found.length) {
    failed += 1;
    console.error(`${file}: ${found.join('\n')}`);
  } else {
    passed += 1;
  }
}
console.log(`${passed} of ${passed + failed} pass; ${left} have 64-bit integers`);
process.exit(failed ? 1 : 0);
