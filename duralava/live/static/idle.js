// Hides the controls and the mouse pointer while nobody uses the page.

const IDLE = 3000; // milliseconds
const ACTIONS = ["pointermove", "pointerdown", "focusin", "keydown", "fullscreenchange"];

/**
 * Gives the page the class "idle" after IDLE; returns a function that shows the controls
 * and waits again.
 *
 * @param panel the controls. They stay while the mouse is over them, or one of them has
 *   the focus of the keyboard.
 * @param mayHide returns whether they may hide otherwise.
 */
export function hideWhenIdle(panel, mayHide) {
  let timer = null;
  const canHover = matchMedia("(hover: hover)");
  function isUsed() {
    const isUnderMouse = canHover.matches && panel.querySelector(":hover");
    return isUnderMouse || panel.querySelector(":focus-visible");
  }
  function hide() {
    if (!mayHide() || isUsed()) wake();
    else document.body.classList.add("idle");
  }
  function wake() {
    document.body.classList.remove("idle");
    clearTimeout(timer);
    timer = setTimeout(hide, IDLE);
  }
  for (const action of ACTIONS) document.addEventListener(action, wake);
  wake();
  return wake;
}
