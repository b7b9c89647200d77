// The message at the top of the page.

import { find } from "./elements.js";

/** Shows a message, for a number of milliseconds if one is given. */
export function say(text, milliseconds) {
  const message = find("message");
  message.textContent = text;
  if (!milliseconds) return;
  setTimeout(() => {
    if (message.textContent === text) message.textContent = "";
  }, milliseconds);
}
