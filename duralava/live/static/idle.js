// Hides the panel while nobody uses the page.

const IDLE = 3000; // milliseconds
const ACTIONS = ["pointermove", "pointerdown", "focusin", "keydown"];

/** Hides an element after IDLE; returns a function that shows it and waits again. */
export function hideWhenIdle(element, mayHide) {
  let timer = null;
  function wake() {
    element.classList.remove("idle");
    clearTimeout(timer);
    if (mayHide()) timer = setTimeout(() => element.classList.add("idle"), IDLE);
  }
  for (const action of ACTIONS) document.addEventListener(action, wake);
  wake();
  return wake;
}
