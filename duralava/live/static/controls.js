// The buttons and keys of the page.

import { find } from "./elements.js";
import { hideWhenIdle } from "./idle.js";
import { listenForKeys } from "./keyboard.js";
import { Recorder } from "./recorder.js";
import { loadThemes } from "./themes.js";

const SPEED_STEP = 0.1; // in powers of ten, for each press of a key

export class Controls {
  #lamp;
  #screen;
  #recorder;
  #say;
  #playing = true;
  #wake;

  /**
   * @param lamp the lamp to play and pause.
   * @param screen the Screen that shows it.
   * @param settings the Settings of the lamp.
   * @param fileName returns the name of the next file to save, without its suffix.
   * @param say shows a message for a number of milliseconds.
   */
  constructor({ lamp, screen, settings, fileName, say }) {
    this.#lamp = lamp;
    this.#screen = screen;
    this.#say = say;
    this.#recorder = new Recorder(find("lamp"), { fileName, onChange: showRecording });
    this.#wake = hideWhenIdle(find("panel"), () => this.#playing);
    loadThemes().then((names) => {
      find("theme").append(...names.map((name) => new Option(name)));
    });
    this.#listen(settings);
  }

  get playing() {
    return this.#playing;
  }

  setPlaying(playing) {
    this.#playing = playing;
    this.#lamp.setPlaying(playing);
    find("play").textContent = playing ? "Pause" : "Play";
    this.#wake();
  }

  #listen(settings) {
    const togglePlaying = () => this.setPlaying(!this.#playing);
    const snapshot = () => this.#recorder.saveSnapshot();
    const record = () => this.#record();
    const help = () => find("keys").showModal();
    find("play").onclick = togglePlaying;
    find("theme").onchange = () => this.#screen.setTheme(find("theme").value);
    find("snapshot").onclick = snapshot;
    find("record").onclick = record;
    find("screen").onclick = toggleFullScreen;
    find("help").onclick = help;
    listenForKeys({
      " ": togglePlaying,
      "+": () => settings.changeSpeed(SPEED_STEP),
      "=": () => settings.changeSpeed(SPEED_STEP), // "+" without the shift key
      "-": () => settings.changeSpeed(-SPEED_STEP),
      n: () => settings.startAnotherLamp(),
      t: () => this.#nextTheme(),
      s: snapshot,
      r: record,
      f: toggleFullScreen,
      g: toggleGraph,
      "?": help,
    });
  }

  #nextTheme() {
    const choice = find("theme");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
    this.#screen.setTheme(choice.value);
  }

  #record() {
    if (this.#recorder.canRecord) this.#recorder.toggleRecording();
    else this.#say("This browser cannot record.", 4000);
  }
}

function showRecording(recording) {
  find("record").textContent = recording ? "Stop and save" : "Record";
  find("record").setAttribute("aria-pressed", String(recording));
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

function toggleGraph() {
  find("health").hidden = !find("health").hidden;
}
