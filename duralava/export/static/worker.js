// Runs the lamp in real time, in a thread of its own, so that the page never waits.
//
// Receives {drawsFeatures: bool} first, which starts the lamp; then {play: bool} and the
// requests of the page: {seed}, {speed}, {push: [x, y]}, {latent: [...] or null}.
// Sends {progress: {loaded, total}} in bytes while it loads; then {head}, which is null
// for frames; then {map} or {frame, width}, with their latents, and {status}. If it
// cannot go on, {trouble}.

import { openNetwork } from "./network.js";
import { latentHealth, Player } from "./player.js";
import { elapsedSeconds, steer } from "./steering.js";

const FPS = 30; // at most
const STATUS_INTERVAL = 0.5; // seconds

let requests = {};
let playing = true;
let resume = () => {};

onmessage = ({ data: { drawsFeatures, play, ...others } }) => {
  requests = { ...requests, ...others };
  if (play !== undefined) playing = play;
  if (playing) resume();
  if (drawsFeatures !== undefined) {
    run(drawsFeatures).catch((error) => postMessage({ trouble: error.message }));
  }
};

async function run(drawsFeatures) {
  const network = await openNetwork({
    onProgress: (loaded, total) => postMessage({ progress: { loaded, total } }),
  });
  const { config } = network;
  const head = drawsFeatures ? config.head : null;
  postMessage({ head });
  let settings = { seed: 0, speed: 1, touch: null, held: false };
  let player = Player.begin(network, settings.seed);
  let starts = 0;
  let previous = seconds();
  let due = previous;
  let reported = -Infinity;
  for (;;) {
    if (!playing) {
      await new Promise((resolve) => { resume = resolve; });
      previous = due = seconds();
    }
    const now = seconds();
    const interval = head ? mapInterval(settings, config) : 1 / FPS;
    const tick = steer(
      settings,
      takeRequests(),
      elapsedSeconds(previous, now, 1 / interval),
      config.push.seconds,
    );
    previous = now;
    settings = tick.settings;
    if (tick.restart) {
      player = Player.begin(network, settings.seed);
      starts += 1;
    }
    if (tick.latent) {
      player.place(tick.latent);
      starts += 1;
    }
    if (tick.push) player.push(tick.push.place, tick.push.seconds);
    player.advance(tick.lampSeconds * config.steps_per_second);

    if (head) {
      const data = player.computeFeatures();
      postMessage({ map: { data, time: now, start: starts, latent: player.shownLatent } });
    } else {
      const frame = player.renderFrame();
      const { shownLatent: latent } = player;
      postMessage({ frame, width: config.resolution, latent }, [frame.buffer]);
    }
    if (now - reported >= STATUS_INTERVAL) {
      reported = now;
      postMessage({ status: report(player, settings, config) });
    }
    due = Math.max(due + interval, seconds());
    await new Promise((resolve) => { setTimeout(resolve, 1000 * (due - seconds())); });
  }
}

/** Returns the seconds to the next map, see duralava/live/show.py. */
function mapInterval({ speed, held }, { map_seconds, map_steps, steps_per_second }) {
  if (held) return 1 / FPS; // so that a picture follows its latent at once
  const limit = Math.min(map_seconds, map_steps / (speed * steps_per_second));
  return Math.max(1 / FPS, limit);
}

function takeRequests() {
  const taken = requests;
  requests = {};
  return taken;
}

function report(player, { seed, speed, held }, config) {
  return {
    checkpoint: config.checkpoint,
    checkpoints: [config.checkpoint],
    seed,
    speed,
    held,
    step: player.step,
    seconds: player.step / config.steps_per_second,
    ...latentHealth(player.latent, config.normal_bounds),
  };
}

function seconds() {
  return performance.now() / 1000;
}
