// The page of the server: frames come over a websocket, wishes go back.

import { play } from "./page.js";

const SOONEST = 500; // milliseconds until a lost connection is tried again
const LATEST = 8000;

/** A lamp that runs on the server. */
class ServedLamp {
  #socket = null;
  #delay = SOONEST;
  #playing = true;

  /**
   * Begins, and calls back from then on.
   * onFrame(ImageData), onStatus(status) and onTrouble(text, "" when it is over).
   */
  start({ onFrame, onStatus, onTrouble }) {
    const address = new URL("lamp", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#delay = SOONEST;
      onTrouble("");
      if (!this.#playing) this.play(false);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") onStatus(JSON.parse(data));
      else onFrame(toImage(data));
    };
    socket.onclose = () => {
      onTrouble("The lamp cannot be reached. Trying again.");
      setTimeout(() => this.start({ onFrame, onStatus, onTrouble }), this.#delay);
      this.#delay = Math.min(2 * this.#delay, LATEST);
    };
    this.#socket = socket;
  }

  /** Lets frames come, or not; the lamp itself runs on for others. */
  play(playing) {
    this.#playing = playing;
    this.wish({ play: playing });
  }

  /** Asks for {speed}, {seed}, {checkpoint} or {push: [x, y]}. */
  wish(wish) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(wish));
    }
  }
}

/** Width and height, two bytes each, then RGB. */
function toImage(buffer) {
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

play(new ServedLamp());
