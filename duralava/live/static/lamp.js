// A lamp that runs on the server: pictures come over a websocket, requests go back.

const FIRST_DELAY = 500; // milliseconds until a lost connection is tried again
const MAX_DELAY = 8000;
const LONGEST_WAIT = 2000; // milliseconds for the server to say what is wrong
const WATCHES = "You are watching. Who has the lamp's steering link can change it.";
const HEADER = 16; // bytes, see `Update` of duralava/live/show.py

export class Lamp {
  static isShared = true;
  #socket = null;
  #delay = FIRST_DELAY;
  #playing = true;
  #steers = true; // unless the server says that this viewer only watches
  #say;

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @param drawsFeatures whether to send maps of features where the weights have them.
   * @param wantsLatents whether to send the latent of each picture, as its `latent`.
   * @param onFrame called with each frame, an ImageData.
   * @param onFeatures called with each map of features, see `Screen.showFeatures`.
   * @param onStatus called with the lamp's status, a `Status` of duralava/live/show.py.
   * @param onTrouble called with a message, "" when the trouble is over, and for how many
   *   milliseconds it matters, if it passes.
   */
  start(page) {
    const { drawsFeatures, wantsLatents, onFrame, onFeatures, onStatus, onTrouble } = page;
    this.#say = onTrouble;
    const address = new URL("lamp", location.href);
    const token = steeringToken();
    if (token) address.searchParams.set("steer", token);
    if (drawsFeatures) address.searchParams.set("features", "");
    if (wantsLatents) address.searchParams.set("latents", "");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let head = null;
    let latent = null;
    let wasOpen = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#delay = FIRST_DELAY;
      wasOpen = true;
      onTrouble("");
      if (!this.#playing) this.setPlaying(false);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.head !== undefined) head = message.head;
        else if (message.latent) latent = message.latent;
        else this.#takeStatus(message, onStatus);
      } else if (new DataView(data).getUint8(0)) {
        onFeatures({ ...decodeFeatures(data), head, latent });
      } else {
        onFrame(Object.assign(decodeFrame(data), { latent }));
      }
    };
    socket.onclose = async () => {
      onTrouble("The lamp cannot be reached. Trying again.");
      const reason = wasOpen ? "" : await explanation();
      if (reason) onTrouble(`${reason} Trying again.`);
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
    if (!this.#steers && !("play" in change)) {
      this.#say(WATCHES, 5000);
      return;
    }
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(change));
    }
  }

  #takeStatus(status, onStatus) {
    this.#steers = status.steers;
    document.body.classList.toggle("watching", !status.steers); // hides what steers
    onStatus(status);
  }
}

/** Returns the token of the page's link, which lasts for all pages in the same tab. */
function steeringToken() {
  const token = new URLSearchParams(location.search).get("steer");
  try {
    if (token) sessionStorage.setItem("steer", token);
    return token ?? sessionStorage.getItem("steer");
  } catch { // where the browser stores nothing
    return token;
  }
}

/**
 * Returns why the server refuses a websocket, or "" if it does not say.
 *
 * Browsers hide the answer to the websocket's own request.
 */
async function explanation() {
  try {
    const signal = AbortSignal.timeout(LONGEST_WAIT);
    const answer = await fetch("lamp", { method: "POST", signal });
    const type = answer.headers.get("Content-Type") ?? "";
    // A proxy that cannot reach the server answers with a page of its own.
    return type.startsWith("text/plain") ? await answer.text() : "";
  } catch {
    return "";
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
