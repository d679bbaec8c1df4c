// The page in headless Chromium, whose WebGPU is Tint over SwiftShader: `node web/test.mjs PAGE PICTURES`, with the
// folder of the built page and one for pictures of it. Fails unless every number on the page is right. With a number
// of mask bits in place of PICTURES it compares so many and prints a line with their digest.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const [root, pictures] = process.argv.slice(2);
const minutes = (count) => count * 60_000;
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' };

const server = createServer(async (request, response) => {
  const asked = normalize(new URL(request.url, 'http://page').pathname);
  const path = asked === '/' ? '/index.html' : asked;
  try {
    const body = await readFile(join(root, path));
    response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const address = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
});

/** Opens the page, and gives it with what was asked of the network after it was ready. `before` runs in it first. */
async function open(query, { before, ...options } = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.setDefaultTimeout(minutes(10));
  const [faults, asked] = [[], []];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  if (before) await page.addInitScript(before);
  await page.goto(address + query);
  await page.waitForSelector('html[data-ready]');
  page.on('request', (request) => asked.push(request.url()));
  return { page, faults, asked };
}

async function test(name, run) {
  const start = performance.now();
  await run();
  console.log(`ok  ${name}  (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

/** Presses a button, and waits until all may be pressed again. */
async function press(page, id) {
  await page.click(`#${id}`);
  await page.waitForSelector('button:disabled', { timeout: 5000 }).catch(() => {});
  await page.waitForFunction(() => !document.querySelector('button:disabled'));
}

const text = (page, selector) => page.textContent(selector);
const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

async function compared(page) {
  await press(page, 'compare');
  const said = await text(page, '#compare-result');
  assert.match(said, /^Mask: 0 of [\d,]+ bits differ/);
  const errors = await page.$$eval('#compare-result td:last-child', (cells) => cells.map((cell) => +cell.textContent));
  assert.equal(errors.length, 4);
  errors.forEach((error) => assert.ok(error > 0 && error < 1e-5, `relative error ${error}`));
  return errors;
}

const bits = Number(pictures);
if (bits > 0) {
  const start = performance.now();
  const { page } = await open('?device=cpu');
  const found = await page.evaluate(async (least) => {
    const { Lab } = await import('./dropconnect_web.js');
    const lab = await Lab.gpu();
    return lab.mask_bits(least, () => {});
  }, bits);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`Chromium, Tint over SwiftShader: ${found.bits} mask bits, ${found.differing} differ from the plain `
    + `code, digest ${found.digest}, ${seconds} s`);
  await browser.close();
  process.exit(found.differing ? 1 : 0);
}

await mkdir(pictures, { recursive: true });
const gpu = await open('?device=gpu');
await test('the adapter is found and named', async () => {
  assert.match(await text(gpu.page, '#device'), /swiftshader.*software adapter/);
  await picture(gpu.page, 'wide-light');
});

await test('mask and passes of odd shapes, on the adapter', async () => {
  for (const [batch, outputs, inputs, p, seed, step] of [
    [128, 256, 256, 0.5, '42', 0], [33, 31, 129, 0.2, '0xffffffffffffffff', 7], [5, 64, 512, 0.95, '1', 1_000_000],
  ]) {
    for (const [id, value] of Object.entries({ batch, outputs, inputs, p, seed, step })) {
      await gpu.page.fill(`#${id}`, String(value));
    }
    console.log(`    ${batch} x ${outputs} x ${inputs}, p = ${p}: worst ${Math.max(...await compared(gpu.page))}`);
  }
});

await test('what is no number is refused in words', async () => {
  await gpu.page.fill('#seed', '-1');
  await gpu.page.waitForSelector('#mask-error:not([hidden])');
  assert.match(await text(gpu.page, '#mask-error'), /`-1` is no whole number/);
  await gpu.page.fill('#seed', '42');
  await gpu.page.waitForSelector('#mask-error', { state: 'hidden' });
});

await test('passes are timed beside dense ones', async () => {
  await gpu.page.fill('#p', '0.5');
  await press(gpu.page, 'time');
  const cells = await gpu.page.$$eval('#time-result td', (all) => all.map((cell) => cell.textContent));
  assert.equal(cells.length, 10, cells.join());
  console.log(`    ${cells.join(' | ')}`);
});

await test('the network learns', async () => {
  await press(gpu.page, 'learn');
  const accuracy = Number(await gpu.page.getAttribute('#learn-facts', 'data-accuracy'));
  assert.ok(accuracy > 0.97, `accuracy ${accuracy}`);
  console.log(`    ${await text(gpu.page, '#learn-facts')}`);
});

await test('verify: every check passes', async () => {
  await press(gpu.page, 'verify');
  const rows = await gpu.page.$$eval('#verify-table tbody tr', (all) => all.map((row) => row.textContent));
  assert.ok(rows.length > 60, `${rows.length} checks`);
  const facts = await text(gpu.page, '#verify-facts');
  assert.match(facts, /: all good\./, rows.filter((row) => row.includes('FAILED')).join('\n'));
  console.log(`    ${facts}`);
  await picture(gpu.page, 'wide-light-done');
});

await test('the network is asked for nothing, and nothing failed unseen', async () => {
  assert.deepEqual(gpu.asked, []);
  assert.deepEqual(gpu.faults, []);
});

await test('a kernel that the browser refuses is an error, not zeros', async () => {
  const broken = await open('?device=gpu', {
    before: () => {
      const made = GPUDevice.prototype.createShaderModule;
      GPUDevice.prototype.createShaderModule = function (descriptor) {
        const code = window.spoil ? `${descriptor.code} fn broken() -> u32 { return 1.5; }` : descriptor.code;
        return made.call(this, { ...descriptor, code });
      };
    },
  });
  await broken.page.evaluate(() => { window.spoil = true; });
  // Whole bricks: a kernel that the page has not made yet.
  for (const id of ['outputs', 'inputs']) await broken.page.fill(`#${id}`, '40');
  await broken.page.fill('#p', '0.3');
  await broken.page.waitForSelector('#mask-error:not([hidden])');
  assert.match(await text(broken.page, '#mask-error'), /the device refused a call/);
  await broken.page.close();
});

await test('a device that goes is an error, too', async () => {
  const lost = await open('?device=gpu', {
    before: () => {
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...given) {
        window.device = await request.apply(this, given);
        return window.device;
      };
    },
  });
  await lost.page.evaluate(() => window.device.destroy());
  await lost.page.fill('#p', '0.3');
  await lost.page.waitForSelector('#mask-error:not([hidden])');
  assert.match(await text(lost.page, '#mask-error'), /the device is lost/);
  await lost.page.close();
});

await test('without WebGPU the page says so and computes on the CPU', async () => {
  const plain = await open('', { before: () => { delete Navigator.prototype.gpu; }, colorScheme: 'dark' });
  assert.match(await text(plain.page, '#device'), /has no WebGPU.*computes on the CPU instead.*Chrome/s);
  await compared(plain.page);
  await picture(plain.page, 'wide-dark-no-webgpu');
  await plain.page.close();
});

await test('on a telephone', async () => {
  const small = await open('?device=cpu', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  const overflow = await small.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
  await picture(small.page, 'narrow-dark');
  await press(small.page, 'learn');
  await picture(small.page, 'narrow-dark-learned');
  await small.page.close();
});

await browser.close();
server.close();
