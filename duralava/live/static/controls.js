// The buttons and keys of the page.

import { find } from "./elements.js";
import { hideWhenIdle } from "./idle.js";
import { dropFocusAfterPointer, listenForKeys } from "./keyboard.js";
import { makeLink } from "./links.js";
import { Recorder } from "./recorder.js";
import { Sheets } from "./sheets.js";
import { swatch } from "./swatches.js";
import { screenKeeper } from "./wake_lock.js";

const SPEED_STEP = 0.1; // in powers of ten, for each press of a key

export class Controls {
  #lamp;
  #screens;
  #settings;
  #recorder;
  #sheets;
  #say;
  #playing = true;
  /** Shows the controls, which fade again when nobody uses them. */
  wake;
  #keepScreenOn = screenKeeper();

  /**
   * @param lamp the lamp to play and pause.
   * @param screens the Screens that show it, one for each canvas.
   * @param settings the Settings of the lamp.
   * @param themes names of the colour themes.
   * @param link the options of the page's link, see links.js.
   * @param fileName returns the name of the next file to save, without its suffix.
   * @param say shows a message for a number of milliseconds.
   */
  constructor({ lamp, screens, settings, themes, link, fileName, say }) {
    this.#lamp = lamp;
    this.#screens = screens;
    this.#settings = settings;
    this.#say = say;
    this.#recorder = new Recorder(find("lamp"), {
      fileName,
      onChange: (seconds) => {
        screens[0].setRecorded(seconds !== null);
        showRecording(seconds);
      },
      onEmpty: () => say("Nothing was recorded: this browser is too slow.", 6000),
    });
    this.#sheets = new Sheets(() => this.wake());
    this.wake = hideWhenIdle(find("panel"), () => this.#playing && !this.#sheets.open);
    this.#offerThemes(themes, link.theme ?? themes[0]);
    this.#setSize(link.size);
    find("screen").hidden = !document.fullscreenEnabled;
    if (screens.length > 1) find("snapshot").hidden = find("record").hidden = true;
    this.#listenToButtons();
    if (link.controls) this.#listenToKeys();
    dropFocusAfterPointer();
    document.addEventListener("visibilitychange", () => this.#updatePlaying());
    this.#updatePlaying();
  }

  get playing() {
    return this.#playing;
  }

  setPlaying(playing) {
    this.#playing = playing;
    showState("play", playing ? ["pause", "Pause"] : ["play", "Play"]);
    this.#updatePlaying();
    this.wake();
  }

  /** A hidden page plays nothing; the screen stays on while the lamp moves. */
  #updatePlaying() {
    const plays = this.#playing && !document.hidden;
    this.#lamp.setPlaying(plays);
    this.#keepScreenOn(plays);
  }

  #offerThemes(names, chosen) {
    find("theme").querySelector(".chips").append(...names.map(themeChip));
    find("theme").onchange = ({ target }) => this.#setTheme(target.value);
    this.#setTheme(chosen);
  }

  #listenToButtons() {
    find("play").onclick = () => this.setPlaying(!this.#playing);
    find("screen").onclick = toggleFullScreen;
    find("size").onchange = ({ target }) => this.#setSize(target.value);
    find("snapshot").onclick = () =>
      this.#withoutSheet(() => this.#recorder.saveSnapshot());
    find("record").onclick = find("stop").onclick = () => this.#record();
    find("copy").onclick = () => this.#copyLink();
    document.addEventListener("fullscreenchange", () => {
      const isFull = Boolean(document.fullscreenElement);
      showState("screen", isFull ? ["window", "Window"] : ["screen", "Full screen"]);
    });
  }

  #listenToKeys() {
    const press = (name) => () => { if (!find(name).hidden) find(name).click(); };
    const change = (power) => () => this.#settings.changeSpeed(power);
    listenForKeys({
      " ": press("play"),
      "+": change(SPEED_STEP),
      "=": change(SPEED_STEP), // "+" without the shift key
      "-": change(-SPEED_STEP),
      n: press("another"),
      f: press("screen"),
      m: press("open-more"),
      t: () => this.#nextTheme(),
      s: press("snapshot"),
      r: press("record"),
      l: press("copy"),
      g: press("open-health"),
      "?": press("open-help"),
      Escape: () => this.#sheets.close(),
    }, ["+", "=", "-"]);
  }

  #setTheme(name) {
    for (const radio of radios("theme")) radio.checked = radio.value === name;
    for (const screen of this.#screens) screen.setTheme(name);
  }

  #nextTheme() {
    const choices = radios("theme");
    const current = choices.findIndex((radio) => radio.checked);
    const next = choices[(current + 1) % choices.length].value;
    this.#setTheme(next);
    this.#say(`Colours: ${next}`, 2000);
  }

  #setSize(name) {
    for (const radio of radios("size")) radio.checked = radio.value === name;
    document.body.classList.toggle("covering", name === "cover");
    for (const screen of this.#screens) screen.setFit(name);
  }

  #record() {
    if (!this.#recorder.canRecord) {
      this.#say("This browser cannot record. It can save snapshots.", 6000);
      return;
    }
    this.#withoutSheet(() => this.#recorder.toggleRecording());
  }

  /** Does something once the lamp is drawn as large as it is without a sheet. */
  async #withoutSheet(action) {
    if (this.#sheets.open) {
      this.#sheets.close();
      // The canvas gets its size after the first repaint and is drawn in the second.
      for (let repaint = 0; repaint < 3; repaint += 1) {
        await new Promise(requestAnimationFrame);
      }
    }
    action();
  }

  async #copyLink() {
    const checked = (name) => radios(name).find((radio) => radio.checked).value;
    const link = makeLink(location.href, {
      ...this.#settings.current,
      theme: checked("theme"),
      size: checked("size"),
      lamps: this.#screens.length,
    });
    if (await copy(link)) this.#say("The link to this lamp is copied.", 3000);
    else this.#say(link, 20000);
  }
}

function themeChip(name) {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), {
    type: "radio", name: "theme", value: name,
  });
  const text = document.createElement("span");
  text.append(swatch(name), name);
  label.append(radio, text);
  return label;
}

function radios(name) {
  return [...document.querySelectorAll(`input[name="${name}"]`)];
}

/** Gives a button another icon and label. */
function showState(name, [icon, label]) {
  find(name).querySelector("use").setAttribute("href", `#icon-${icon}`);
  find(name).querySelector(".label").textContent = label;
}

function showRecording(seconds) {
  const isRecording = seconds !== null;
  const label = isRecording ? "Stop and save" : "Record";
  find("record").querySelector(".label").textContent = label;
  find("record").setAttribute("aria-pressed", String(isRecording));
  find("stop").hidden = !isRecording;
  if (isRecording) find("recorded").textContent = `${seconds} s`;
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

/** Copies a text; returns whether the browser allowed it. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on pages without HTTPS
    return true;
  } catch {
    return false;
  }
}
