// Numbers as bars that can be dragged: sliders, each from -3 to 3.

const MAX = 3;
const STEPS = {
  ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1, Home: -2 * MAX, End: 2 * MAX,
};
const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

export class Bars {
  #container;
  #onChange;
  #values = [];
  #dragged = null; // index

  /**
   * @param container element that gets the bars.
   * @param onChange called with an index and its new value when a viewer changes it.
   */
  constructor(container, onChange) {
    this.#container = container;
    this.#onChange = onChange;
    container.addEventListener("pointerdown", (event) => this.#grab(event));
    container.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      container.addEventListener(end, () => { this.#dragged = null; });
    }
    container.addEventListener("keydown", (event) => this.#onKey(event));
    container.addEventListener("focusin", () => this.describe());
  }

  /** Whether a bar is being dragged. */
  get isDragged() {
    return this.#dragged !== null;
  }

  /** Index of the bar that a viewer uses: the one that has the focus. */
  get chosen() {
    return this.#index(document.activeElement);
  }

  /** Shows numbers; bars are made when their number is another one. */
  show(values) {
    if (values.length !== this.#values.length) this.#make(values.length);
    this.#values = Array.from(values);
    this.#values.forEach((value, index) => {
      const fill = this.#container.children[index].firstChild;
      const height = Math.min(1, Math.abs(value) / MAX);
      fill.style.transform = `scaleY(${(value < 0 ? -1 : 1) * height})`;
      fill.className = value < 0 ? "negative" : "positive";
    });
  }

  /** Tells assistive technology the numbers that are shown; not more than needed. */
  describe() {
    this.#values.forEach((value, index) => {
      const bar = this.#container.children[index];
      const clipped = Math.max(-MAX, Math.min(MAX, value));
      bar.setAttribute("aria-valuenow", clipped.toFixed(2));
    });
  }

  #make(count) {
    this.#container.replaceChildren(...Array.from({ length: count }, (_, index) => {
      const bar = document.createElement("div");
      const attributes = {
        class: "bar",
        role: "slider",
        tabindex: index ? -1 : 0, // arrow keys lead to the others
        "aria-label": `Number ${index + 1}`,
        "aria-orientation": "vertical",
        "aria-valuemin": -MAX,
        "aria-valuemax": MAX,
        "aria-valuenow": 0,
      };
      for (const [name, value] of Object.entries(attributes)) bar.setAttribute(name, value);
      bar.append(document.createElement("i"));
      return bar;
    }));
  }

  #index(element) {
    const index = [...this.#container.children].indexOf(element);
    return index < 0 ? null : index;
  }

  #grab(event) {
    const index = this.#index(event.target.closest(".bar"));
    if (index === null || event.button) return;
    event.preventDefault();
    this.#container.setPointerCapture(event.pointerId);
    this.#dragged = index;
    this.#focus(index);
    this.#drag(event);
  }

  #drag({ clientY }) {
    if (this.#dragged === null) return;
    const box = this.#container.children[this.#dragged].getBoundingClientRect();
    const place = (clientY - box.top) / box.height;
    this.#change(this.#dragged, MAX * (1 - 2 * place));
  }

  #onKey(event) {
    const index = this.chosen;
    if (index === null || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in MOVES) {
      this.#focus(index + MOVES[event.key]);
    } else if (event.key in STEPS) {
      this.#change(index, this.#values[index] + STEPS[event.key]);
    } else {
      return;
    }
    event.preventDefault();
  }

  #focus(index) {
    const bar = this.#container.children[index];
    if (!bar) return;
    for (const other of this.#container.children) other.tabIndex = -1;
    bar.tabIndex = 0;
    bar.focus();
  }

  #change(index, value) {
    const clipped = Math.max(-MAX, Math.min(MAX, value));
    this.#onChange(index, clipped);
    this.describe();
  }
}
