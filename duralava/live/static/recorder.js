// Saves what a canvas shows: snapshots as PNG, recordings as WebM or MP4.

const FORMATS = ["webm", "mp4"]; // the first that the browser can record
const BITS_PER_PIXEL = 5; // and second
const MIN_BITS = 4_000_000; // per second
const MAX_BITS = 40_000_000;
const PART = 1000; // milliseconds of film that the browser hands over at a time
const KEEP_URL = 60_000; // milliseconds for which a download can still be started

/**
 * Returns the suffix of the files that a browser can record, or undefined.
 *
 * @param isSupported returns whether it can record a MIME type.
 */
export function recordingFormat(isSupported) {
  return FORMATS.find((name) => isSupported(`video/${name}`));
}

export class Recorder {
  #canvas;
  #fileName;
  #onChange;
  #onEmpty;
  #media = null;
  #format = window.MediaRecorder
    && recordingFormat((type) => MediaRecorder.isTypeSupported(type));

  /**
   * @param canvas the canvas to save.
   * @param fileName returns the name of the file to save, without its suffix.
   * @param onChange called with the seconds that are recorded, when a recording starts
   *   and again and again, and with null when it stops.
   * @param onEmpty called when a recording has no frame, which is then not saved.
   */
  constructor(canvas, { fileName, onChange, onEmpty }) {
    this.#canvas = canvas;
    this.#fileName = fileName;
    this.#onChange = onChange;
    this.#onEmpty = onEmpty;
  }

  /** Whether this browser can record. */
  get canRecord() {
    return Boolean(this.#format && this.#canvas.captureStream);
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
    const { width, height } = this.#canvas;
    const parts = [];
    const bits = BITS_PER_PIXEL * width * height;
    // Each picture that is drawn on the canvas becomes a frame.
    this.#media = new MediaRecorder(this.#canvas.captureStream(), {
      mimeType: `video/${this.#format}`,
      videoBitsPerSecond: Math.min(MAX_BITS, Math.max(MIN_BITS, bits)),
    });
    const started = performance.now();
    const showSeconds = () =>
      this.#onChange(Math.floor((performance.now() - started) / 1000));
    const timer = setInterval(showSeconds, 200);
    this.#media.ondataavailable = ({ data }) => parts.push(data);
    this.#media.onstop = () => {
      clearInterval(timer);
      const type = this.#media.mimeType;
      this.#media.stream.getTracks().forEach((track) => track.stop());
      this.#media = null;
      this.#onChange(null);
      const film = new Blob(parts, { type });
      if (film.size) this.#save(film, this.#format);
      else this.#onEmpty();
    };
    this.#media.start(PART);
    showSeconds();
  }

  #save(blob, suffix) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.#fileName()}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), KEEP_URL);
  }
}
