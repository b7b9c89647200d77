// The page of a lamp, wherever the lamp runs: connects it to the parts of the page.

import { Controls } from "./controls.js";
import { find } from "./elements.js";
import { History } from "./history.js";
import { requestLinked } from "./linked.js";
import { readLink } from "./links.js";
import { say } from "./message.js";
import { Screen } from "./screen.js";
import { Settings } from "./settings.js";
import { summary, verdict } from "./summary.js";
import { loadThemes } from "./themes.js";
import { listenForTouches } from "./touch.js";
import { makeCanvases, together } from "./wall.js";

const HINT = 7000; // milliseconds
const SHARED = "This page shows one lamp, which all viewers share; "
  + "an exported page can show several.";
const WATCHED = "In a link for viewers, seed and speed have no effect.";

/**
 * Shows one lamp, or several if the page's link says so, and passes on what the viewer
 * asks for.
 *
 * @param Lamp a class with the methods of that in lamp.js: start, setPlaying and
 *   request. Its `isShared` is true if all its instances are one and the same lamp.
 */
export async function showLamps(Lamp) {
  const themes = await loadThemes();
  const { link, problems } = readLink(location.search, themes);
  if (Lamp.isShared && link.lamps > 1) {
    link.lamps = 1;
    problems.push(SHARED);
  }
  document.body.classList.replace("starting", link.controls ? "controlled" : "bare");
  document.body.classList.toggle("transparent", link.background === "transparent");
  const canvases = makeCanvases(find("lamp"), link.lamps);
  const screens = canvases.map((canvas) => new Screen(canvas));
  const lamps = canvases.map(() => new Lamp());
  const all = together(lamps);
  const settings = new Settings(all, say);
  const history = new History(find("graph"));
  let status = null;
  let frames = 0;
  const fileName = () => `lamp-${status?.seed ?? 0}-${status?.step ?? 0}`;
  const controls = new Controls({
    lamp: all, screens, settings, themes, link, fileName, say,
  });

  function onFirstFrame() {
    // A page without controls could not be started again.
    controls.wake();
    if (link.controls && matchMedia("(prefers-reduced-motion: reduce)").matches) {
      controls.setPlaying(false);
      problems.push("Paused, because your system asks for less motion. Press Play.");
    }
    if (status?.steers === false && (link.seed !== null || link.speed !== null)) {
      problems.push(WATCHED);
    }
    say(problems.join(" ") || hint(status), HINT);
    dispatchEvent(new Event("firstpicture")); // see offline.js of an exported page
  }

  function onPicture() {
    frames += 1;
    document.body.dataset.frames = frames;
    if (frames === 1) onFirstFrame();
  }

  function onStatus(next) {
    const isSame = next.seed === status?.seed && next.checkpoint === status.checkpoint;
    if (!isSame) history.clear();
    status = next;
    history.add(status.mean, status.std);
    settings.show(status);
    find("verdict").textContent = verdict(status);
    find("status").textContent = summary(status);
    document.body.dataset.step = status.step;
  }

  lamps.forEach((lamp, index) => {
    const screen = screens[index];
    listenForTouches(canvases[index], screen, (place) => lamp.request({ push: place }));
    const isWanted = requestLinked(lamp, link, index);
    const show = (draw) => {
      if (!controls.playing || !isWanted()) return; // sent before the lamp paused
      draw();
      if (index === 0) onPicture();
    };
    lamp.start({
      drawsFeatures: screen.drawsFeatures,
      onFrame: (image) => show(() => screen.showFrame(image)),
      onFeatures: (map) => show(() => screen.showFeatures(map)),
      onStatus: (next) => {
        isWanted(next);
        if (index === 0) onStatus(next);
      },
      onTrouble: say,
    });
  });
}

function hint(status) {
  if (status?.steers === false) return "You are watching this lamp.";
  return matchMedia("(pointer: coarse)").matches
    ? "Touch the lamp: wax gathers at your finger."
    : "Click the lamp: wax gathers there. Space pauses, ? lists the keys.";
}
