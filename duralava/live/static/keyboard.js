// The keyboard: keys that work wherever the focus is, and where the focus goes.

const TYPES = 'input[type="number"], select';
const ADJUSTS = 'input[type="range"], input[type="radio"]';

/**
 * Calls `actions[key]()` when a key is pressed, unless the focused control uses it.
 *
 * @param actions functions by key, letters in lower case.
 * @param repeated the keys that act again while they are held.
 */
export function listenForKeys(actions, repeated) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = actions[key];
    if (!action || isUsedBy(event.target, key)) return;
    event.preventDefault();
    if (!event.repeat || repeated.includes(key)) action();
  });
}

function isUsedBy(element, key) {
  if (key === "Escape") return false;
  if (element.matches(TYPES)) return true;
  return key === " " && element.matches(`button, ${ADJUSTS}`);
}

/**
 * Takes the focus from a control after the mouse or a finger used it, so that Space does
 * not press it again. Those who use the keyboard keep their place.
 */
export function dropFocusAfterPointer() {
  let byPointer = false;
  document.addEventListener("pointerdown", () => { byPointer = true; }, true);
  document.addEventListener("keydown", () => { byPointer = false; }, true);
  for (const event of ["click", "change"]) {
    document.addEventListener(event, () => {
      const focused = document.activeElement;
      const isControl = focused?.matches(`button, ${ADJUSTS}`)
        || (event === "change" && focused?.matches("select"));
      if (byPointer && isControl) focused.blur();
    });
  }
}
