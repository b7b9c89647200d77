// How the lamp is, in words.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** Returns a number of seconds as text, in its two largest units. */
export function duration(seconds) {
  let rest = Math.floor(seconds);
  const largest = UNITS.findIndex(([, size]) => rest >= size);
  const parts = [];
  for (const [name, size] of UNITS.slice(largest).slice(0, 2)) {
    parts.push(`${Math.floor(rest / size)} ${name}`);
    rest %= size;
  }
  return parts.join(" ");
}

/** Returns how long the lamp has run, and whether its latent is still normal. */
export function summary({ seconds, step, normal }) {
  const steps = step.toLocaleString("en");
  const state = normal ? "still N(0, 1)" : "no longer N(0, 1)";
  return `running for ${duration(seconds)}, ${steps} steps, ${state}`;
}

/** Returns the same in everyday words. */
export function verdict({ normal }) {
  return normal
    ? "It is well: its numbers are where the network knows them."
    : "Its numbers have left where the network knows them; the picture may suffer.";
}
