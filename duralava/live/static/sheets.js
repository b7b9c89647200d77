// The sheets beside the lamp: more controls, how the lamp is, help. One at a time.

import { find } from "./elements.js";

const SHEETS = ["more", "health", "help"];

export class Sheets {
  #onChange;

  /** @param onChange called after a sheet has opened or closed. */
  constructor(onChange) {
    this.#onChange = onChange;
    for (const name of SHEETS) {
      find(name).querySelector(".close").onclick = () => this.close();
      find(`open-${name}`).onclick = () => this.toggle(name);
    }
  }

  /** The name of the open sheet, or undefined. */
  get open() {
    return SHEETS.find((name) => !find(name).hidden);
  }

  /** Opens a sheet in place of the open one, or closes it. */
  toggle(name) {
    if (this.open === name) this.close();
    else this.#show(name);
  }

  /** Closes the open sheet; the focus, if it was inside, returns to where it opens. */
  close() {
    if (!this.open) return;
    const hadFocus = find(this.open).contains(document.activeElement);
    this.#show(undefined);
    if (hadFocus) find("open-more").focus();
  }

  #show(shown) {
    const hadFocus = this.open && find(this.open).contains(document.activeElement);
    for (const name of SHEETS) find(name).hidden = name !== shown;
    if (shown && hadFocus) find(shown).focus();
    find("open-more").setAttribute("aria-expanded", String(shown === "more"));
    document.body.classList.toggle("sheet-open", Boolean(shown));
    this.#onChange();
  }
}
