// The page: which device computes, and who draws what comes of it. Every number is the library's, from
// `dropconnect_web`.
import init, { Classifier, Lab } from './dropconnect_web.js';
import { drawMasks, drawPicture } from './mask.js';
import { Learning } from './learn.js';
import { drawChecks, drawComparison, drawTimes } from './tables.js';

const by = (id) => document.getElementById(id);
const buttons = ['compare', 'time', 'learn', 'learn-reset', 'verify'].map(by);

/** Says what went wrong, and what to do about it. */
function say(element, title, text) {
  element.hidden = false;
  const bold = document.createElement('b');
  bold.textContent = title;
  element.replaceChildren(bold, ` ${text}`);
}

/** What the browser tells of its adapter. */
async function adapterName() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  const { description, vendor, architecture } = adapter?.info ?? {};
  return description || [vendor, architecture].filter(Boolean).join(' ') || 'an adapter without a name';
}

/** The adapter if there is one that is faster than the CPU backend, unless `?device=` says otherwise. */
async function open() {
  const wanted = new URLSearchParams(location.search).get('device');
  const line = by('device');
  if (wanted === 'cpu') {
    line.textContent = 'Computing on the CPU, as asked.';
    return onCpu();
  }
  let why = 'The browser gives this page no adapter';
  if (!('gpu' in navigator)) {
    why = isSecureContext ? 'This browser has no WebGPU' : 'A page has WebGPU only over https or from localhost';
  } else {
    try {
      const lab = await Lab.gpu();
      if (!lab.software() || wanted === 'gpu') {
        const kind = lab.software() ? ', a software adapter' : '';
        const device = `${await adapterName()}${kind}`;
        line.textContent = `Computing on ${device}, by WebGPU.`;
        return { lab, device };
      }
      lab.free();
      why = 'The browser’s adapter is a software one, slower than our CPU backend; ?device=gpu takes it all the same';
    } catch (error) {
      why = `${why} (${error.message})`;
    }
  }
  line.classList.add('notice');
  say(line, `${why}.`, 'The page computes on the CPU instead. WebGPU is in Chrome and Edge 113 or later (on Linux '
    + 'behind chrome://flags/#enable-unsafe-webgpu), Safari 26, and Firefox 141 on Windows; a driver that is out of '
    + 'date, or “hardware acceleration” switched off, hides it.');
  return onCpu();
}

function onCpu() {
  const lab = Lab.cpu();
  return { lab, device: lab.name() };
}

/** The layer that the form describes, or null where a field is not valid. */
function layer() {
  const form = by('layer');
  if (!form.checkValidity()) return null;
  const number = (id) => by(id).valueAsNumber;
  return {
    p: number('p'), seed: by('seed').value.trim(), step: by('step').value,
    batch: number('batch'), outputs: number('outputs'), inputs: number('inputs'),
  };
}

/** Runs one thing at a time: buttons wait meanwhile. */
async function alone(work, element) {
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await work();
  } catch (error) {
    say(element, 'That did not work.', error.message);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

await init();
const { lab, device } = await open();
const picture = async (shape) => lab.mask({ p: 0.5, seed: '7', step: '0', ...shape });
await drawPicture(by('picture'), picture);

// The mask follows the form: one drawing at a time, and always that of the latest values.
let latest = 0;
let drawing = Promise.resolve();
async function redraw() {
  const turn = ++latest;
  by('p-value').textContent = by('p').valueAsNumber.toFixed(2);
  await drawing;
  if (turn !== latest) return;
  drawing = (async () => {
    const wanted = layer();
    const error = by('mask-error');
    if (!wanted) return say(error, 'A field is out of its range.', 'Batch goes to 4096, outputs and inputs to 8192.');
    try {
      const facts = await drawMasks(by('masks'), wanted, (shown) => lab.mask(shown));
      error.hidden = true;
      by('mask-facts').innerHTML = facts;
    } catch (fault) {
      say(error, 'No mask.', fault.message);
    }
  })();
}
by('layer').addEventListener('input', redraw);
by('layer').addEventListener('submit', (event) => event.preventDefault());
await redraw();

by('compare').addEventListener('click', () => alone(async () => {
  drawComparison(by('compare-result'), await lab.compare(layer()));
}, by('mask-error')));

by('time').addEventListener('click', () => alone(async () => {
  by('time-result').textContent = 'Timing: masked and dense calls take turns…';
  await new Promise((resume) => { setTimeout(resume, 30); });
  drawTimes(by('time-result'), await lab.times(layer()), device);
}, by('mask-error')));

by('verify').addEventListener('click', () => alone(async () => {
  const checks = drawChecks(by('verify-table'), by('verify-facts'), Lab.left_out());
  await lab.verify(checks.begins, checks.ended);
  checks.done();
}, by('verify-facts')));

const learning = new Learning(lab, Classifier, by);
by('learn-p').addEventListener('input', () => {
  by('learn-p-value').textContent = by('learn-p').valueAsNumber.toFixed(2);
});
by('learn-reset').addEventListener('click', () => alone(() => learning.reset(), by('learn-facts')));
by('learn').addEventListener('click', () => learning.toggle(alone));
await learning.reset();
buttons.forEach((button) => { button.disabled = false; });
document.documentElement.dataset.ready = 'true';
