// Touches of the lamp, by pointer and by keyboard.

const MIN_INTERVAL = 100; // milliseconds between two touches of one drag
const MAX_INTERVAL = 400; // where a finger rests; a touch lasts 500, see PUSH_SECONDS
const AIM_STEP = 0.05; // of the picture, for each press of an arrow key
const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Calls `onTouch([x, y])` with each place of the picture that a viewer touches. */
export function listenForTouches(canvas, screen, onTouch) {
  const stopAiming = listenForArrows(canvas, screen, onTouch);
  listenForPointer(canvas, screen, (place) => {
    stopAiming();
    onTouch(place);
  });
}

function listenForPointer(canvas, screen, onTouch) {
  let last = 0;
  let held = null; // the timer that repeats a touch
  function touch(event) {
    clearTimeout(held);
    held = setTimeout(() => touch(event), MAX_INTERVAL);
    if (performance.now() - last < MIN_INTERVAL) return;
    const place = screen.locate(event);
    if (!place) return;
    last = performance.now();
    onTouch(place);
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touch(event);
  });
  // Also where the pointer goes up or is cancelled.
  canvas.addEventListener("lostpointercapture", () => clearTimeout(held));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) touch(event);
  });
  // A touch shows hidden controls; without this, it would also press the one under it.
  canvas.addEventListener("touchend", (event) => event.preventDefault());
  // The mouse leaves the focus where it is, so that no key acts on the lamp after it.
  canvas.addEventListener("mousedown", (event) => {
    event.preventDefault();
    document.activeElement?.blur();
  });
}

/**
 * Arrow keys aim with a marker while the canvas has the focus; Enter touches there.
 * Returns a function that takes the marker away, as Escape and the loss of the focus do.
 */
function listenForArrows(canvas, screen, onTouch) {
  let aim = [0.5, 0.5];
  function show(isAiming) {
    canvas.classList.toggle("aiming", isAiming);
    screen.setMarker(isAiming ? aim : null);
  }
  const stopAiming = () => show(false);
  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const direction = DIRECTIONS[event.key];
    if (direction) {
      aim = aim.map((v, axis) => clip(v + AIM_STEP * direction[axis]));
    } else if (event.key === "Enter") {
      onTouch(aim);
    } else {
      if (event.key === "Escape") stopAiming();
      return;
    }
    event.preventDefault();
    show(true);
  }
  canvas.addEventListener("blur", stopAiming);
  canvas.addEventListener("keydown", onKey);
  // With the focus nowhere, arrow keys go to the first lamp.
  document.body.addEventListener("keydown", (event) => {
    const isFree = event.target === document.body && canvas.matches(":first-child");
    if (!isFree || !(event.key in DIRECTIONS)) return;
    canvas.focus();
    onKey(event);
  });
  return stopAiming;
}

function clip(value) {
  return Math.max(0, Math.min(1, value));
}
