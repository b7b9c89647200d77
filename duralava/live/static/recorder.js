// Saves what a canvas shows: snapshots as PNG, recordings as WebM.

const FPS = 30;
const BITS_PER_SECOND = 8_000_000;
const KEEP_URL = 60_000; // milliseconds for which a download can still be started

export class Recorder {
  #canvas;
  #fileName;
  #onChange;
  #media = null;

  /**
   * @param canvas the canvas to save.
   * @param fileName returns the name of the file to save, without its suffix.
   * @param onChange called with true when a recording starts, false when it stops.
   */
  constructor(canvas, { fileName, onChange }) {
    this.#canvas = canvas;
    this.#fileName = fileName;
    this.#onChange = onChange;
  }

  /** Whether this browser can record. */
  get canRecord() {
    return Boolean(window.MediaRecorder);
  }

  saveSnapshot() {
    this.#canvas.toBlob((blob) => this.#save(blob, "png"), "image/png");
  }

  /** Starts a recording, or stops the current one and saves it. */
  toggleRecording() {
    if (this.#media) this.#media.stop();
    else this.#start();
  }

  #start() {
    const parts = [];
    this.#media = new MediaRecorder(this.#canvas.captureStream(FPS), {
      mimeType: "video/webm",
      videoBitsPerSecond: BITS_PER_SECOND,
    });
    this.#media.ondataavailable = ({ data }) => parts.push(data);
    this.#media.onstop = () => {
      this.#media = null;
      this.#onChange(false);
      this.#save(new Blob(parts, { type: "video/webm" }), "webm");
    };
    this.#media.start(1000);
    this.#onChange(true);
  }

  #save(blob, suffix) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.#fileName()}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), KEEP_URL);
  }
}
