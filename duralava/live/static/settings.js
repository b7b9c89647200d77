// The settings of the lamp itself: its speed, seed and weights. All viewers share them.

import { find } from "./elements.js";

const MAX_POWER = 1; // the speed is 10 ** power, from 0.1 to 10
const MAX_SEED = 2 ** 31 - 1;
// Milliseconds. A status that arrives sooner after a request may be older than it.
const APPLIED = 1500;

export class Settings {
  #lamp;
  #requested = -Infinity;

  constructor(lamp) {
    this.#lamp = lamp;
    find("speed").oninput = () => this.#setSpeed(Number(find("speed").value));
    find("seed").onchange = () => {
      if (find("seed").checkValidity()) this.#setSeed(Number(find("seed").value));
    };
    find("another").onclick = () => this.startAnotherLamp();
    find("checkpoint").onchange = () => {
      lamp.request({ checkpoint: find("checkpoint").value });
    };
  }

  /** Multiplies the speed by 10 ** `power`. */
  changeSpeed(power) {
    this.#setSpeed(Number(find("speed").value) + power);
  }

  startAnotherLamp() {
    this.#setSeed(Math.floor(Math.random() * (MAX_SEED + 1)));
  }

  /** Shows the settings of the lamp, which another viewer may have changed. */
  show({ seed, speed, checkpoint, checkpoints }) {
    if (performance.now() - this.#requested > APPLIED) {
      if (document.activeElement !== find("seed")) find("seed").value = seed;
      showSpeed(speed);
    }
    const choice = find("checkpoint");
    if (choice.options.length !== checkpoints.length) {
      choice.replaceChildren(...checkpoints.map((name) => new Option(name)));
      find("weights").hidden = checkpoints.length < 2;
    }
    choice.value = checkpoint;
  }

  #setSpeed(power) {
    const speed = 10 ** Math.max(-MAX_POWER, Math.min(MAX_POWER, power));
    showSpeed(speed);
    this.#request({ speed: Number(speed.toPrecision(3)) });
  }

  #setSeed(seed) {
    find("seed").value = seed;
    this.#request({ seed });
  }

  #request(change) {
    this.#requested = performance.now();
    this.#lamp.request(change);
  }
}

function showSpeed(speed) {
  find("speed").value = Math.log10(speed);
  find("pace").value = `${Number(speed.toPrecision(2))}×`;
}
