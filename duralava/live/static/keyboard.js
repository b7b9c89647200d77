// Keys that work wherever the focus is.

import { find } from "./elements.js";

/** Calls `actions[key]()` when a key is pressed, unless the focused control uses it. */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || find("keys").open) return;
    const isTyped = target.matches("input, select");
    const pressesButton = target.matches("button") && key === " ";
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    if (!action || isTyped || pressesButton) return;
    event.preventDefault();
    action();
  });
}
