// The page of the numbers behind a lamp: bars that follow the lamp, and that change it.

import { Bars } from "./bars.js";
import { drawBell } from "./bell.js";
import { find } from "./elements.js";
import { Lamp } from "./lamp.js";
import { requestLinked } from "./linked.js";
import { MAX_SEED, readLink } from "./links.js";
import { say } from "./message.js";
import { Screen } from "./screen.js";
import { loadThemes } from "./themes.js";
import { listenForTouches } from "./touch.js";
import { screenKeeper } from "./wake_lock.js";

// Milliseconds after a change. A picture that arrives sooner may be older than it, and
// so may be a status.
const SHOWN = 600;
const APPLIED = 1500;

class Explanation {
  #lamp;
  #screen;
  #bars = new Bars(find("bars"), (index, value) => this.#change(index, value));
  #values = null; // that are shown
  #original = null; // those of the lamp before a viewer changed any
  #isSent = true; // whether the lamp knows the values
  #held = false;
  #changed = -Infinity; // when the viewer changed a value
  #requested = -Infinity; // when the viewer held the lamp, or let it run

  constructor(lamp, screen) {
    this.#lamp = lamp;
    this.#screen = screen;
    find("hold").onclick = () => (this.#held ? this.run() : this.hold());
    find("undo").onclick = () => this.#undo();
    find("another").onclick = () => this.#startAnother();
    this.#repaint();
  }

  /** Takes the lamp's own state, which another viewer may have changed. */
  show({ held }) {
    if (performance.now() - this.#requested > APPLIED) this.#setHeld(held);
    this.#bars.describe();
  }

  /** Holds the lamp at the values that are shown. */
  hold() {
    if (!this.#values) return;
    this.#original ??= this.#values;
    this.#isSent = false;
    this.#requested = performance.now();
    this.#setHeld(true);
  }

  /** Lets the lamp run on from the values that are shown. */
  run() {
    this.#send();
    this.#lamp.request({ latent: null });
    this.#requested = performance.now();
    this.#changed = -Infinity;
    this.#original = null;
    this.#setHeld(false);
  }

  #change(index, value) {
    if (!this.#held) this.hold();
    this.#changed = performance.now();
    this.#values = this.#values.map((v, i) => (i === index ? value : v));
    this.#isSent = false;
    find("undo").disabled = false;
  }

  #undo() {
    this.#changed = performance.now();
    this.#values = this.#original;
    this.#isSent = false;
    find("undo").disabled = true;
  }

  #startAnother() {
    this.#original = null;
    this.#changed = -Infinity;
    find("undo").disabled = true;
    this.#lamp.request({ seed: Math.floor(Math.random() * (MAX_SEED + 1)) });
  }

  #setHeld(held) {
    this.#held = held;
    find("hold").textContent = held ? "Run on" : "Hold still";
    if (!held) find("undo").disabled = true;
  }

  /** Sends values that the lamp does not know yet, once per repaint at most. */
  #send() {
    if (this.#isSent) return;
    this.#isSent = true;
    const round = (value) => Number(value.toFixed(4));
    this.#lamp.request({ latent: this.#values.map(round) });
  }

  #repaint() {
    requestAnimationFrame(() => this.#repaint());
    this.#send();
    const isOwn = this.#bars.isDragged || performance.now() - this.#changed < SHOWN;
    this.#values = (isOwn ? null : this.#screen.latent) ?? this.#values;
    if (!this.#values) return;
    this.#bars.show(this.#values);
    const { chosen } = this.#bars;
    drawBell(find("bell"), this.#values, chosen);
    find("readout").value = chosen === null ? ""
      : `Number ${chosen + 1}: ${asText(this.#values[chosen])}`;
    document.querySelector(".count").textContent = this.#values.length;
  }
}

function asText(value) {
  return value.toFixed(2).replace("-", "\u2212");
}

async function explain() {
  const themes = await loadThemes();
  const { link, problems } = readLink(location.search, themes);
  const [lamp, screen] = [new Lamp(), new Screen(find("lamp"))];
  const explanation = new Explanation(lamp, screen);
  const isWanted = requestLinked(lamp, link, 0);
  const keepScreenOn = screenKeeper();
  screen.setTheme(link.theme ?? themes[0]);
  listenForTouches(find("lamp"), screen, (place) => lamp.request({ push: place }));

  let pictures = 0;
  const show = (draw) => {
    if (!isWanted()) return;
    draw();
    pictures += 1;
    document.body.dataset.frames = pictures;
    if (pictures > 1) return;
    say(problems.join(" "), 7000);
    dispatchEvent(new Event("firstpicture")); // see offline.js of an exported page
  };
  lamp.start({
    drawsFeatures: screen.drawsFeatures,
    wantsLatents: true,
    onFrame: (image) => show(() => screen.showFrame(image)),
    onFeatures: (map) => show(() => screen.showFeatures(map)),
    onStatus: (status) => {
      isWanted(status);
      explanation.show(status);
      document.body.dataset.step = status.step;
    },
    onTrouble: say,
  });
  const play = () => {
    lamp.setPlaying(!document.hidden);
    keepScreenOn(!document.hidden);
  };
  document.addEventListener("visibilitychange", play);
  play();
}

explain();
