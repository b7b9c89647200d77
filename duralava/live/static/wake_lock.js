// Keeps the screen of a phone or laptop on while the lamp plays.

/**
 * Returns a function of whether to keep the screen on. It resolves to whether the
 * screen is kept on; browsers without wake locks, or low on battery, refuse.
 */
export function screenKeeper() {
  let wanted = false;
  let lock = null;
  return async function keepOn(on) {
    wanted = on;
    if (!on) {
      await lock?.release();
      lock = null;
    } else if (!lock || lock.released) {
      lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
      if (!wanted) return keepOn(false); // was turned off meanwhile
    }
    return lock !== null;
  };
}
