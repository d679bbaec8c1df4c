// The network that learns: two maps of the plane, drawn anew as it goes.
import { rgb } from './mask.js';

const SIDE = 40;
const EXTENT = 2.4;
const PASSES = 12;
const STEPS = 400;
const STEPS_A_PICTURE = 20;

export class Learning {
  #lab; #Classifier; #by; #model; #running = false; #data;

  /** `by` finds an element by its id. */
  constructor(lab, Classifier, by) {
    [this.#lab, this.#Classifier, this.#by] = [lab, Classifier, by];
  }

  /** An untrained network, drawn. */
  async reset() {
    this.#model?.free();
    this.#model = await this.#Classifier.new(this.#lab, this.#by('learn-p').valueAsNumber, 1);
    this.#data = this.#model.data();
    this.#by('learn-facts').textContent = 'Untrained.';
    await this.#draw();
  }

  /** Begins to learn, or stops. */
  async toggle(alone) {
    if (this.#running) {
      this.#running = false;
      return;
    }
    const button = this.#by('learn');
    await alone(async () => {
      this.#running = true;
      [button.disabled, button.textContent] = [false, 'Stop'];
      try {
        await this.#learn();
      } finally {
        this.#running = false;
        button.textContent = 'Learn';
      }
    }, this.#by('learn-facts'));
  }

  async #learn() {
    const facts = this.#by('learn-facts');
    for (let taken = 1; this.#running && taken <= STEPS; taken++) {
      const { step, loss, accuracy } = await this.#model.step();
      if (taken % 5 === 0) {
        facts.textContent = `Step ${step}: loss under masks ${loss.toFixed(3)}, accuracy without `
          + `${(100 * accuracy).toFixed(1)} %.`;
        facts.dataset.accuracy = accuracy;
        await new Promise((resume) => { setTimeout(resume, 0); });
      }
      if (taken % STEPS_A_PICTURE === 0) await this.#draw();
    }
    await this.#draw();
  }

  async #draw() {
    const { probability, information } = await this.#model.predict(SIDE, EXTENT, PASSES);
    const [ground, first, second] = [rgb('--panel'), rgb('--kept'), rgb('--other')];
    const mix = (a, b, t) => a.map((value, at) => value + (b[at] - value) * t);
    this.#map('map-class', (at) => {
      const p = probability[at];
      return mix(Array.from(ground), p < 0.5 ? first : second, 1.6 * Math.abs(p - 0.5));
    });
    const most = Math.max(0.05, ...information);
    this.#by('information-scale').textContent = most.toFixed(2);
    this.#map('map-information', (at) => mix(Array.from(ground), second, information[at] / most));
  }

  #map(id, colorOf) {
    const canvas = this.#by(id);
    const context = canvas.getContext('2d');
    const cell = canvas.width / SIDE;
    for (let at = 0; at < SIDE * SIDE; at++) {
      context.fillStyle = `rgb(${colorOf(at).map(Math.round).join(' ')})`;
      context.fillRect((at % SIDE) * cell, Math.floor(at / SIDE) * cell, cell, cell);
    }
    const place = (value) => (value / EXTENT + 1) / 2 * canvas.width;
    const looks = [rgb('--kept'), rgb('--other')].map((look) => `rgb(${Array.from(look).join(' ')})`);
    this.#data.class.forEach((kind, at) => {
      context.beginPath();
      context.arc(place(this.#data.x[2 * at]), place(-this.#data.x[2 * at + 1]), 4.5, 0, 7);
      context.fillStyle = looks[kind];
      context.fill();
      context.strokeStyle = `rgb(${Array.from(rgb('--panel')).join(' ')})`;
      context.lineWidth = 1.5;
      context.stroke();
    });
  }
}
