// Asks for the lamp that the page's link names.

import { nthSeed } from "./wall.js";

// Milliseconds for which a page waits for the lamp that its link names. It shows the lamp
// that there is if another viewer has changed it meanwhile.
const PATIENCE = 3000;

/**
 * Requests the seed and the speed of the link as soon as the lamp reports its own.
 *
 * Returns a function that takes each status, and returns whether to show the lamp: not
 * while it is another one than the link names. A viewer that only watches gets it as it is.
 */
export function requestLinked(lamp, { seed, speed }, index) {
  const wanted = {};
  if (seed !== null) wanted.seed = nthSeed(seed, index);
  else if (index > 0) wanted.seed = index;
  if (speed !== null) wanted.speed = speed;
  let asked = null; // when
  let isShown = !("seed" in wanted);
  return (status) => {
    if (status?.steers === false) {
      isShown = true;
    } else if (status && asked === null) {
      asked = performance.now();
      const isOther = ([name, value]) => value !== status[name];
      const changes = Object.fromEntries(Object.entries(wanted).filter(isOther));
      if (Object.keys(changes).length) lamp.request(changes);
    }
    if (status && !isShown) {
      isShown = status.seed === wanted.seed || performance.now() - asked > PATIENCE;
    }
    return isShown;
  };
}
