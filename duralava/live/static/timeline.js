// Plays maps of features evenly, although they arrive unevenly.

// Maps are shown so much later than they arrive: seconds, and intervals between maps.
const MIN_DELAY = 0.1;
const MIN_INTERVALS = 1.5;
const MAX_GAP = 0.5; // seconds; the picture jumps where maps are farther apart
const MAX_DRIFT = 0.25; // seconds by which the clocks may differ until they are set
const MAX_MAPS = 60; // that wait, while the browser does not repaint
const CORRECTION = 0.1; // of the difference, at each map

/**
 * A map has the members `time`, in seconds of the lamp's clock, `head`, that colours it,
 * and `start`, which changes where the lamp jumps.
 */
export class Timeline {
  #maps = [];
  #lead = null; // what to add to this page's clock for the time that is shown

  /** Takes a map that arrives now, in seconds of this page's clock. */
  add(map, now) {
    const last = this.#maps.at(-1);
    let interval = last ? map.time - last.time : 0;
    const isNext = map.start === last?.start && map.head === last?.head;
    if (!isNext || interval <= 0 || interval > MAX_GAP) {
      interval = 0;
      this.#maps = [];
      this.#lead = null;
    }
    this.#maps.push(map);
    if (this.#maps.length > MAX_MAPS) this.#maps.shift();
    const delay = Math.max(MIN_DELAY, MIN_INTERVALS * interval);
    const lead = map.time - delay - now;
    if (this.#lead === null || Math.abs(lead - this.#lead) > MAX_DRIFT) {
      this.#lead = lead;
    }
    this.#lead += CORRECTION * (lead - this.#lead);
  }

  /** Returns what to show now: {first, second, share}, a share of the way between. */
  at(now) {
    if (!this.#maps.length) return {};
    const time = now + this.#lead;
    while (this.#maps.length > 1 && this.#maps[1].time <= time) this.#maps.shift();
    const [first, second = first] = this.#maps;
    const length = second.time - first.time;
    const share = length && Math.max(0, (time - first.time) / length);
    return { first, second, share };
  }
}
