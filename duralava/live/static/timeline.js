// Plays maps of features evenly, although they arrive unevenly.

const DELAY = 0.1; // seconds; maps are shown so much later than they arrive
const MAX_GAP = 0.5; // seconds; the picture jumps where maps are farther apart
const MAX_DRIFT = 0.25; // seconds by which the clocks may differ until they are set
const CORRECTION = 0.1; // of the difference, at each map

/**
 * A map has the members `time`, in seconds of the lamp's clock, and `start`, which
 * changes where the lamp jumps.
 */
export class Timeline {
  #maps = [];
  #lead = null; // what to add to this page's clock for the time that is shown

  /** Takes a map that arrives now, in seconds of this page's clock. */
  add(map, now) {
    const last = this.#maps.at(-1);
    const gap = last && map.time - last.time;
    if (last && !(map.start === last.start && gap > 0 && gap < MAX_GAP)) {
      this.#maps = [];
      this.#lead = null;
    }
    this.#maps.push(map);
    const lead = map.time - DELAY - now;
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
