// A lamp that runs in this browser: its networks run in a worker.

import "./offline.js";

export class Lamp {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });

  /**
   * Starts the lamp.
   *
   * @param drawsFeatures whether to send maps of features, if the weights have them.
   * @param onFrame called with each frame, an ImageData; its `latent` is the latent.
   * @param onFeatures called with each map of features, see `Screen.showFeatures`.
   * @param onStatus called with the lamp's status, see `report` in worker.js.
   * @param onTrouble called with a message, "" when the trouble is over.
   */
  start({ drawsFeatures, onFrame, onFeatures, onStatus, onTrouble }) {
    onTrouble("Loading the lamp.");
    let head = null;
    let failed = false;
    this.#worker.onmessage = ({ data }) => {
      if (data.trouble) {
        failed = true;
        onTrouble(`The lamp cannot run here: ${data.trouble}`);
      }
      // Other files may still be loading after one is missing.
      if (data.progress && !failed) onTrouble(`Loading the lamp: ${ofBytes(data.progress)}.`);
      if (data.head !== undefined) {
        head = data.head;
        onTrouble("");
      }
      if (data.frame) {
        const { frame, width, latent } = data;
        onFrame(Object.assign(new ImageData(frame, width), { latent }));
      }
      if (data.map) onFeatures({ ...data.map, head });
      if (data.status) onStatus(data.status);
    };
    this.#worker.onerror = () => onTrouble("The lamp cannot be loaded.");
    this.#worker.postMessage({ drawsFeatures });
  }

  /** Runs or pauses the lamp. */
  setPlaying(playing) {
    this.#worker.postMessage({ play: playing });
  }

  /**
   * Asks for {speed}, {seed}, {push: [x, y]}, or {latent: [...]}, at which the lamp
   * stands still until {latent: null}.
   */
  request(change) {
    this.#worker.postMessage(change);
  }
}

function ofBytes({ loaded, total }) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  return `${megabytes(loaded)} of ${megabytes(total)} MB`;
}
