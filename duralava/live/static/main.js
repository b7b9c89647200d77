// Shows a lamp that runs on the server: frames come over a websocket, requests go back.

import { showLamp } from "./page.js";

const FIRST_DELAY = 500; // milliseconds until a lost connection is tried again
const MAX_DELAY = 8000;

class ServedLamp {
  #socket = null;
  #delay = FIRST_DELAY;
  #playing = true;

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @param onFrame called with each frame, an ImageData.
   * @param onStatus called with the lamp's status, a `Status` of duralava/live/show.py.
   * @param onTrouble called with a message, "" when the trouble is over.
   */
  start({ onFrame, onStatus, onTrouble }) {
    const address = new URL("lamp", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#delay = FIRST_DELAY;
      onTrouble("");
      if (!this.#playing) this.setPlaying(false);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") onStatus(JSON.parse(data));
      else onFrame(decodeFrame(data));
    };
    socket.onclose = () => {
      onTrouble("The lamp cannot be reached. Trying again.");
      setTimeout(() => this.start({ onFrame, onStatus, onTrouble }), this.#delay);
      this.#delay = Math.min(2 * this.#delay, MAX_DELAY);
    };
    this.#socket = socket;
  }

  /** Starts or stops the frames for this viewer; the lamp runs on for others. */
  setPlaying(playing) {
    this.#playing = playing;
    this.request({ play: playing });
  }

  /** Asks for {speed}, {seed}, {checkpoint} or {push: [x, y]}. */
  request(change) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(change));
    }
  }
}

/** Decodes width and height, two bytes each, and the RGB bytes after them. */
function decodeFrame(buffer) {
  const header = new DataView(buffer);
  const image = new ImageData(header.getUint16(0, true), header.getUint16(2, true));
  const rgb = new Uint8Array(buffer, 4);
  const rgba = new Uint32Array(image.data.buffer);
  for (let pixel = 0, byte = 0; pixel < rgba.length; pixel += 1, byte += 3) {
    rgba[pixel] =
      0xff000000 | (rgb[byte + 2] << 16) | (rgb[byte + 1] << 8) | rgb[byte];
  }
  return image;
}

showLamp(new ServedLamp());
