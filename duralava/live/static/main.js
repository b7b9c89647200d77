// Shows a lamp that runs on the server: pictures come over a websocket, requests go back.

import { showLamps } from "./page.js";

const FIRST_DELAY = 500; // milliseconds until a lost connection is tried again
const MAX_DELAY = 8000;
const HEADER = 16; // bytes, see `Update` of duralava/live/show.py

class ServedLamp {
  static isShared = true;
  #socket = null;
  #delay = FIRST_DELAY;
  #playing = true;

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @param drawsFeatures whether to send maps of features where the weights have them.
   * @param onFrame called with each frame, an ImageData.
   * @param onFeatures called with each map of features, see `Screen.showFeatures`.
   * @param onStatus called with the lamp's status, a `Status` of duralava/live/show.py.
   * @param onTrouble called with a message, "" when the trouble is over.
   */
  start(page) {
    const { drawsFeatures, onFrame, onFeatures, onStatus, onTrouble } = page;
    const address = new URL(drawsFeatures ? "lamp?features" : "lamp", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let head = null;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#delay = FIRST_DELAY;
      onTrouble("");
      if (!this.#playing) this.setPlaying(false);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.head === undefined) onStatus(message);
        else head = message.head;
      } else if (new DataView(data).getUint8(0)) {
        onFeatures({ ...decodeFeatures(data), head });
      } else {
        onFrame(decodeFrame(data));
      }
    };
    socket.onclose = () => {
      onTrouble("The lamp cannot be reached. Trying again.");
      setTimeout(() => this.start(page), this.#delay);
      this.#delay = Math.min(2 * this.#delay, MAX_DELAY);
    };
    this.#socket = socket;
  }

  /** Starts or stops the pictures for this viewer; the lamp runs on for others. */
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

function decodeFeatures(buffer) {
  const header = new DataView(buffer);
  return {
    start: header.getUint16(6, true),
    time: header.getFloat64(8, true),
    data: new Uint16Array(buffer, HEADER),
  };
}

function decodeFrame(buffer) {
  const header = new DataView(buffer);
  const image = new ImageData(header.getUint16(2, true), header.getUint16(4, true));
  const rgb = new Uint8Array(buffer, HEADER);
  const rgba = new Uint32Array(image.data.buffer);
  for (let pixel = 0, byte = 0; pixel < rgba.length; pixel += 1, byte += 3) {
    rgba[pixel] =
      0xff000000 | (rgb[byte + 2] << 16) | (rgb[byte + 1] << 8) | rgb[byte];
  }
  return image;
}

showLamps(ServedLamp);
