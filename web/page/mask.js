// Masks as pictures: kept weights in colour, dropped ones pale.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour of the style sheet as [r, g, b], whatever way it is written there. */
export function rgb(name) {
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const element = document.createElement('i');
  element.style.color = color(name);
  document.body.append(element);
  probe.fillStyle = getComputedStyle(element).color;
  element.remove();
  probe.fillRect(0, 0, 1, 1);
  return probe.getImageData(0, 0, 1, 1).data.slice(0, 3);
}

/** How much of a layer is drawn: four examples, a corner of each. */
const EXAMPLES = 4;
const SIDE = 64;

/** Draws the first examples' masks, and says how many weights are kept. `maskOf` computes the mask of a layer. */
export async function drawMasks(parent, layer, maskOf) {
  const batch = Math.min(layer.batch, EXAMPLES);
  const [rows, columns] = [Math.min(layer.outputs, SIDE), Math.min(layer.inputs, SIDE)];
  const kept = await maskOf({ ...layer, batch, outputs: rows, inputs: columns });
  const [on, off] = [rgb('--kept'), rgb('--dropped')];
  const figures = [];
  for (let example = 0; example < batch; example++) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [columns, rows];
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Mask of example ${example}`);
    const image = new ImageData(columns, rows);
    for (let at = 0; at < rows * columns; at++) {
      image.data.set([...(kept[example * rows * columns + at] ? on : off), 255], 4 * at);
    }
    canvas.getContext('2d').putImageData(image, 0, 0);
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    caption.textContent = `example ${example}`;
    figure.append(canvas, caption);
    figures.push(figure);
  }
  parent.replaceChildren(...figures);
  const count = kept.reduce((sum, bit) => sum + bit, 0);
  const bits = layer.batch * layer.outputs * layer.inputs;
  const number = (value) => value.toLocaleString('en');
  const share = (100 * count / kept.length).toFixed(2);
  return `Outputs down, inputs across, the first ${rows} × ${columns} of each. Kept: <b>${number(count)}</b> of `
    + `${number(kept.length)} drawn, <b>${share} %</b>. The whole mask has <b>${number(bits)}</b> decisions; `
    + `stored, a byte each, ${size(bits)}; here <b>448 bytes</b> of parameters.`;
}

function size(bytes) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at ? bytes.toPrecision(3) : bytes} ${units[at]}`;
}

/** Dropout, a shared mask and DropConnect side by side, with real masks. */
export async function drawPicture(parent, maskOf) {
  const [rows, columns, examples, cell] = [8, 12, 3, 7];
  const own = await maskOf({ batch: examples, outputs: rows, inputs: columns });
  const of = (example, row, column) => own[(example * rows + row) * columns + column];
  const kinds = [
    ['Dropout', (example, row) => of(example, row, 0)],
    ['Shared mask', (_, row, column) => of(0, row, column)],
    ['DropConnect', of],
  ];
  const [width, height, left] = [columns * cell + 14, rows * cell + 20, 96];
  const parts = [];
  kinds.forEach(([name, kept], kind) => {
    const top = 20 + kind * (height - 8);
    parts.push(`<text class="name" x="0" y="${top + rows * cell / 2 + 4}">${name}</text>`);
    for (let example = 0; example < examples; example++) {
      if (!kind) parts.push(`<text x="${left + example * width}" y="12">example ${example + 1}</text>`);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const look = kept(example, row, column) ? 'kept' : 'dropped';
          const [x, y] = [left + example * width + column * cell, top + row * cell];
          parts.push(`<rect class="${look}" x="${x}" y="${y}" width="${cell - 1}" height="${cell - 1}"/>`);
        }
      }
    }
  });
  const view = `0 0 ${left + examples * width - 14} ${20 + 3 * (height - 8) - 12}`;
  parent.innerHTML = `<svg viewBox="${view}" role="img" aria-label="Three ways to drop">${parts.join('')}</svg>`;
}
