// Links to a lamp: what the address of the page asks for.

export const MAX_SEED = 2 ** 31 - 1;
const MIN_SPEED = 0.1;
const MAX_SPEED = 10;
const MAX_LAMPS = 9;

/** What a page shows whose link has no options. */
const DEFAULTS = {
  seed: null, // that of the lamp as it is
  theme: null,
  speed: null,
  controls: true,
  size: "contain",
  background: "black",
  lamps: 1,
};

/**
 * Each option returns its value, or undefined if the text is none; and says what values
 * there are.
 */
const OPTIONS = {
  seed: wholeNumber(0, MAX_SEED),
  theme: (themes) => oneOf(themes),
  speed: {
    read: (text) => between(Number(text.trim() || NaN), MIN_SPEED, MAX_SPEED),
    values: `a number from ${MIN_SPEED} to ${MAX_SPEED}`,
  },
  controls: {
    read: (text) => new Map([["0", false], ["1", true]]).get(text),
    values: "0 or 1",
  },
  size: oneOf(["contain", "cover"]),
  background: oneOf(["black", "transparent"]),
  lamps: wholeNumber(1, MAX_LAMPS),
};

/**
 * Reads the options of a link.
 *
 * @param search the part of the address from "?" on.
 * @param themes names of the colour themes.
 * @returns {link, problems}: all options, those that are missing or bad with their
 *   defaults; and a sentence for each bad one.
 */
export function readLink(search, themes) {
  const link = { ...DEFAULTS };
  const problems = [];
  for (const [name, text] of new URLSearchParams(search)) {
    if (!Object.hasOwn(OPTIONS, name)) continue; // other programs add their own
    const option = name === "theme" ? OPTIONS.theme(themes) : OPTIONS[name];
    const value = option.read(text);
    if (value === undefined) {
      problems.push(`In the link, ${name} must be ${option.values}, not "${text}".`);
    } else {
      link[name] = value;
    }
  }
  return { link, problems };
}

/** Returns the address of a page that shows what `options` name. */
export function makeLink(page, options) {
  const address = new URL(page);
  const changed = Object.entries(options).filter(([name, v]) => v !== DEFAULTS[name]);
  address.search = new URLSearchParams(changed);
  address.hash = "";
  return address.href;
}

/** Returns the seed that a text names, or undefined. */
export function readSeed(text) {
  return OPTIONS.seed.read(text);
}

function wholeNumber(min, max) {
  return {
    read: (text) => (/^\d+$/.test(text) ? between(Number(text), min, max) : undefined),
    values: `a whole number from ${min} to ${max}`,
  };
}

function oneOf(names) {
  return {
    read: (text) => names.find((name) => name === text),
    values: `one of ${names.join(", ")}`,
  };
}

function between(value, min, max) {
  return min <= value && value <= max ? value : undefined;
}
