// How viewers' requests change a lamp, as in duralava/live/steering.py.

/** Seconds by which a frame can be late and the lamp still catches up in full. */
export const MAX_CATCH_UP = 0.5;

/** Returns the seconds for which the lamp runs on, after a frame that may be late. */
export function elapsedSeconds(previous, now, fps) {
  return Math.min(now - previous, 1 / fps + MAX_CATCH_UP);
}

/**
 * Applies requests to the settings, and returns what the lamp does in one tick.
 *
 * @param settings {seed, speed, touch, held}; touch is {place, seconds} or null.
 * @param requests any of {seed}, {speed}, {push: [x, y]} and {latent}, merged. The lamp
 *   stands still at a latent [z, ...], until the latent is null.
 * @param seconds of real time that the tick lasts.
 * @param pushSeconds for which a touch lasts.
 * @returns {settings, restart, latent, push, lampSeconds}: the settings after the tick;
 *   whether the lamp starts again, from those; the latent to which it is set after that,
 *   or null; the part of the touch within the tick, {place, seconds} or null; and the
 *   seconds by which the lamp runs on.
 */
export function steer(settings, requests, seconds, pushSeconds) {
  const { seed = settings.seed, speed = settings.speed, latent = null } = requests;
  const held = "latent" in requests ? latent !== null : settings.held;
  const touch = requests.push
    ? { place: requests.push, seconds: pushSeconds }
    : settings.touch;
  const rest = touch && touch.seconds > seconds
    ? { ...touch, seconds: touch.seconds - seconds }
    : null;
  return {
    settings: { seed, speed, touch: rest, held },
    restart: "seed" in requests,
    latent,
    push: touch && { ...touch, seconds: Math.min(seconds, touch.seconds) },
    lampSeconds: held ? 0 : seconds * speed,
  };
}
