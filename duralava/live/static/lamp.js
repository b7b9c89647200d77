// A lamp that runs on the server: pictures come over a websocket, requests go back.

const FIRST_DELAY = 500; // milliseconds until a lost connection is tried again
const MAX_DELAY = 8000;
const HEADER = 16; // bytes, see `Update` of duralava/live/show.py

export class Lamp {
  static isShared = true;
  #socket = null;
  #delay = FIRST_DELAY;
  #playing = true;

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @param drawsFeatures whether to send maps of features where the weights have them.
   * @param wantsLatents whether to send the latent of each picture, as its `latent`.
   * @param onFrame called with each frame, an ImageData.
   * @param onFeatures called with each map of features, see `Screen.showFeatures`.
   * @param onStatus called with the lamp's status, a `Status` of duralava/live/show.py.
   * @param onTrouble called with a message, "" when the trouble is over.
   */
  start(page) {
    const { drawsFeatures, wantsLatents, onFrame, onFeatures, onStatus, onTrouble } = page;
    const address = new URL("lamp", location.href);
    if (drawsFeatures) address.searchParams.set("features", "");
    if (wantsLatents) address.searchParams.set("latents", "");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let head = null;
    let latent = null;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#delay = FIRST_DELAY;
      onTrouble("");
      if (!this.#playing) this.setPlaying(false);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.head !== undefined) head = message.head;
        else if (message.latent) latent = message.latent;
        else onStatus(message);
      } else if (new DataView(data).getUint8(0)) {
        onFeatures({ ...decodeFeatures(data), head, latent });
      } else {
        onFrame(Object.assign(decodeFrame(data), { latent }));
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

  /**
   * Asks for {speed}, {seed}, {checkpoint}, {push: [x, y]}, or {latent: [...]}, at which
   * the lamp stands still until {latent: null}.
   */
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
