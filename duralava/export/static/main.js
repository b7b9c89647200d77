// The page that runs the lamp itself: the networks are in a worker.

import { play } from "./page.js";

/** A lamp that runs in this browser. */
class LocalLamp {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #playing = true;

  /**
   * Begins, and calls back from then on.
   * onFrame(ImageData), onStatus(status) and onTrouble(text, "" when it is over).
   */
  start({ onFrame, onStatus, onTrouble }) {
    onTrouble("The lamp is on its way.");
    let waiting = true;
    this.#worker.onmessage = ({ data: { frame, width, status, trouble } }) => {
      if (trouble) onTrouble(`The lamp cannot run here: ${trouble}`);
      if (frame && waiting) {
        waiting = false;
        onTrouble("");
      }
      if (frame) onFrame(new ImageData(frame, width));
      if (status) onStatus(status);
    };
    this.#worker.onerror = () => onTrouble("The lamp cannot be loaded.");
    // Nobody sees a page that is hidden, and its frames would cost a processor.
    document.addEventListener("visibilitychange", () => this.#tell());
  }

  /** Lets the lamp run, or not. */
  play(playing) {
    this.#playing = playing;
    this.#tell();
  }

  /** Asks for {speed}, {seed} or {push: [x, y]}. */
  wish(wish) {
    this.#worker.postMessage(wish);
  }

  #tell() {
    this.#worker.postMessage({ play: this.#playing && !document.hidden });
  }
}

play(new LocalLamp());
