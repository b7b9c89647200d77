// Touches of the lamp, by pointer and by keyboard.

const MIN_INTERVAL = 100; // milliseconds between two touches of one drag
const AIM_STEP = 0.05; // of the picture, for each press of an arrow key
const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Calls `onTouch([x, y])` with each place of the picture that a viewer touches. */
export function listenForTouches(canvas, screen, onTouch) {
  listenForPointer(canvas, screen, onTouch);
  listenForArrows(canvas, screen, onTouch);
}

function listenForPointer(canvas, screen, onTouch) {
  let last = 0;
  function touch(event) {
    if (event.timeStamp - last < MIN_INTERVAL) return;
    const place = screen.locate(event);
    if (!place) return;
    last = event.timeStamp;
    onTouch(place);
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touch(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) touch(event);
  });
}

/** Arrow keys move a marker while the canvas has the focus; Enter touches there. */
function listenForArrows(canvas, screen, onTouch) {
  let aim = [0.5, 0.5];
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const direction = DIRECTIONS[event.key];
    if (direction) {
      aim = aim.map((v, axis) => clip(v + AIM_STEP * direction[axis]));
    } else if (event.key === "Enter") {
      onTouch(aim);
    } else {
      return;
    }
    event.preventDefault();
    screen.setMarker(aim);
  });
}

function clip(value) {
  return Math.max(0, Math.min(1, value));
}
