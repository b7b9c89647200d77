// The settings of the lamp itself: its speed, seed and weights. All viewers share them.

import { find } from "./elements.js";
import { MAX_SEED, readSeed } from "./links.js";

const MAX_POWER = 1; // the speed is 10 ** power, from 0.1 to 10
// Milliseconds. A status that arrives sooner after a request may be older than it.
const APPLIED = 1500;

export class Settings {
  #lamp;
  #say;
  #requested = -Infinity;
  #shown = {}; // the newest seed and speed, requested or reported

  /**
   * @param lamp takes the requests.
   * @param say shows a message for a number of milliseconds.
   */
  constructor(lamp, say) {
    this.#lamp = lamp;
    this.#say = say;
    find("speed").oninput = () => this.#setSpeed(10 ** Number(find("speed").value));
    find("seed").onchange = () => this.#readSeed();
    find("another").onclick = () => this.startAnotherLamp();
    find("checkpoint").onchange = () => {
      lamp.request({ checkpoint: find("checkpoint").value });
    };
  }

  /** {seed, speed}, as the page shows them. */
  get current() {
    return this.#shown;
  }

  /** Multiplies the speed by 10 ** `power`. */
  changeSpeed(power) {
    this.#setSpeed(10 ** (Number(find("speed").value) + power));
  }

  startAnotherLamp() {
    this.#setSeed(Math.floor(Math.random() * (MAX_SEED + 1)));
  }

  /** Shows the settings of the lamp, which another viewer may have changed. */
  show({ seed, speed, checkpoint, checkpoints, loading }) {
    if (performance.now() - this.#requested > APPLIED) {
      this.#shown = { seed, speed };
      const isEdited = document.activeElement === find("seed");
      if (!isEdited && !isMarked(find("seed"))) find("seed").value = seed;
      showSpeed(speed);
    }
    const choice = find("checkpoint");
    if (choice.options.length !== checkpoints.length) {
      choice.replaceChildren(...checkpoints.map((name) => new Option(name)));
      find("weights").hidden = checkpoints.length < 2;
    }
    choice.value = loading ?? checkpoint; // while it loads, the lamp is still the old one
  }

  #readSeed() {
    const seed = readSeed(find("seed").value);
    if (seed !== undefined) {
      this.#setSeed(seed);
      return;
    }
    find("seed").setAttribute("aria-invalid", "true");
    this.#say(`The number of a lamp is a whole number from 0 to ${MAX_SEED}.`, 6000);
  }

  #setSpeed(wanted) {
    const limited = Math.max(10 ** -MAX_POWER, Math.min(10 ** MAX_POWER, wanted));
    const speed = Number(limited.toPrecision(3));
    showSpeed(speed);
    this.#request({ speed });
  }

  #setSeed(seed) {
    find("seed").value = seed;
    find("seed").removeAttribute("aria-invalid");
    this.#request({ seed });
  }

  #request(change) {
    this.#requested = performance.now();
    this.#shown = { ...this.#shown, ...change };
    this.#lamp.request(change);
  }
}

function isMarked(input) {
  return input.getAttribute("aria-invalid") === "true";
}

function showSpeed(speed) {
  find("speed").value = Math.log10(speed);
  find("pace").value = `${Number(speed.toPrecision(2))}×`;
}
