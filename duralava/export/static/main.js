// Shows a lamp that runs in this browser: its networks run in a worker.

import { showLamp } from "./page.js";

class LocalLamp {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #playing = true;

  /**
   * Starts the lamp.
   *
   * @param onFrame called with each frame, an ImageData.
   * @param onStatus called with the lamp's status, see `report` in worker.js.
   * @param onTrouble called with a message, "" when the trouble is over.
   */
  start({ onFrame, onStatus, onTrouble }) {
    onTrouble("Loading the lamp.");
    let loading = true;
    this.#worker.onmessage = ({ data: { frame, width, status, trouble } }) => {
      if (trouble) onTrouble(`The lamp cannot run here: ${trouble}`);
      if (frame && loading) {
        loading = false;
        onTrouble("");
      }
      if (frame) onFrame(new ImageData(frame, width));
      if (status) onStatus(status);
    };
    this.#worker.onerror = () => onTrouble("The lamp cannot be loaded.");
    // The frames of a hidden page would cost processor time for nothing.
    document.addEventListener("visibilitychange", () => this.#updatePlaying());
  }

  /** Runs or pauses the lamp. */
  setPlaying(playing) {
    this.#playing = playing;
    this.#updatePlaying();
  }

  /** Asks for {speed}, {seed} or {push: [x, y]}. */
  request(change) {
    this.#worker.postMessage(change);
  }

  #updatePlaying() {
    this.#worker.postMessage({ play: this.#playing && !document.hidden });
  }
}

showLamp(new LocalLamp());
