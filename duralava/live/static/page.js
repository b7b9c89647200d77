// The page of a lamp, wherever the lamp runs: connects it to the parts of the page.

import { Controls } from "./controls.js";
import { find } from "./elements.js";
import { History } from "./history.js";
import { Screen } from "./screen.js";
import { Settings } from "./settings.js";
import { summary } from "./summary.js";
import { listenForTouches } from "./touch.js";

/**
 * Shows a lamp and passes on what the viewer asks for.
 *
 * @param lamp has the methods of ServedLamp in main.js: start, setPlaying and request.
 */
export function showLamp(lamp) {
  const screen = new Screen(find("lamp"));
  const history = new History(find("graph"));
  const settings = new Settings(lamp);
  let status = null;
  let frames = 0;
  const fileName = () => `lamp-${status?.seed ?? 0}-${status?.step ?? 0}`;
  const controls = new Controls({ lamp, screen, settings, fileName, say });
  listenForTouches(find("lamp"), screen, (place) => lamp.request({ push: place }));

  function onPicture(show) {
    if (!controls.playing) return; // sent before the lamp paused
    show();
    frames += 1;
    document.body.dataset.frames = frames;
    if (frames === 1 && matchMedia("(prefers-reduced-motion: reduce)").matches) {
      controls.setPlaying(false);
      say("Paused, because your system asks for less motion. Space plays.", 8000);
    }
  }

  function onStatus(next) {
    const isSame = next.seed === status?.seed && next.checkpoint === status.checkpoint;
    if (!isSame) history.clear();
    status = next;
    history.add(status.mean, status.std);
    settings.show(status);
    find("status").textContent = summary(status);
    document.body.dataset.step = status.step;
  }

  lamp.start({
    drawsFeatures: screen.drawsFeatures,
    onFrame: (image) => onPicture(() => screen.showFrame(image)),
    onFeatures: (map) => onPicture(() => screen.showFeatures(map)),
    onStatus,
    onTrouble: say,
  });
}

/** Shows a message, for a number of milliseconds if one is given. */
function say(text, milliseconds) {
  const message = find("message");
  message.textContent = text;
  if (!milliseconds) return;
  setTimeout(() => {
    if (message.textContent === text) message.textContent = "";
  }, milliseconds);
}
