// Tables of results.

/** A table of texts; `heads` are its columns. */
function table(heads, rows) {
  const element = document.createElement('table');
  const row = (cells, kind) => {
    const line = document.createElement('tr');
    for (const text of cells) {
      const cell = document.createElement(kind);
      if (kind === 'th') cell.scope = 'col';
      cell.textContent = text;
      line.append(cell);
    }
    return line;
  };
  element.createTHead().append(row(heads, 'th'));
  element.createTBody().append(...rows.map((cells) => row(cells, 'td')));
  const scroll = document.createElement('div');
  scroll.className = 'scroll';
  scroll.append(element);
  return scroll;
}

function facts(text) {
  const line = document.createElement('p');
  line.className = 'facts';
  line.textContent = text;
  return line;
}

/** Mask bits against the CPU, passes against float64. */
export function drawComparison(parent, { bits, differing, errors }) {
  const rows = errors.map(([pass, error]) => [pass, error.toExponential(1)]);
  parent.replaceChildren(
    facts(`Mask: ${differing} of ${bits.toLocaleString('en')} bits differ from the CPU’s. Passes, random operands:`),
    table(['pass', 'relative error against float64'], rows),
  );
}

const milliseconds = ({ least, median, most }) => {
  const digits = (value) => value.toPrecision(3);
  return `${digits(median)} (${digits(least)}..${digits(most)})`;
};

/** Masked and dense times. */
export function drawTimes(parent, timed, device) {
  const rows = timed.map(({ pass, masked, dense, connections }) => [
    pass, milliseconds(masked), milliseconds(dense), (masked.median / dense.median).toFixed(2),
    (connections / 1e9).toPrecision(3),
  ]);
  parent.replaceChildren(
    table(['pass', 'DropConnect, ms', 'dense, ms', 'ratio', 'masked G/s'], rows),
    facts(`Median and spread of five samples on ${device}; f32; dense is our own kernel without a mask.`),
  );
}

/** The table of checks, which grows as they end. */
export function drawChecks(element, line, leftOut) {
  const body = element.tBodies[0];
  body.replaceChildren();
  element.hidden = false;
  const start = performance.now();
  let [failed, cases] = [0, 0];
  const cell = (row, text, look) => {
    const made = row.insertCell();
    made.textContent = text;
    if (look) made.className = look;
  };
  return {
    begins: (name, at, count) => {
      line.textContent = `${at + 1} of ${count}: ${name}`;
      return new Promise((resume) => { setTimeout(resume, 0); });
    },
    ended: ({ name, cases: tried, worst, bound, seconds, failure }) => {
      const row = body.insertRow();
      const texts = [failure ? `${name}: ${failure}` : name, tried, worst, bound, seconds.toFixed(1)];
      texts.forEach((text) => cell(row, text));
      cell(row, failure ? 'FAILED' : 'ok', failure ? 'bad' : 'good');
      cases += tried;
      failed += failure ? 1 : 0;
    },
    done: () => {
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      const verdict = failed ? `${failed} of ${body.rows.length} checks failed` : 'all good';
      line.textContent = `${body.rows.length} checks, ${cases} cases, ${seconds} s: ${verdict}. ${leftOut}.`;
      element.dataset.failed = failed;
    },
  };
}
