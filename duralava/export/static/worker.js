// Runs the lamp in real time, in a thread of its own, so that the page never waits.
//
// Receives {play: bool} and the requests of the page: {seed}, {speed}, {push: [x, y]}.
// Sends {frame, width} and {status}, or {trouble} if it cannot go on.

import { openNetwork } from "./network.js";
import { latentHealth, Player } from "./player.js";
import { elapsedSeconds, steer } from "./steering.js";

const FPS = 30;
const STATUS_INTERVAL = 0.5; // seconds

let requests = {};
let playing = true;
let resume = () => {};

onmessage = ({ data: { play, ...others } }) => {
  requests = { ...requests, ...others };
  if (play !== undefined) playing = play;
  if (playing) resume();
};

async function run() {
  const network = await openNetwork();
  let settings = { seed: 0, speed: 1, touch: null };
  let player = await Player.begin(network, settings.seed);
  let previous = seconds();
  let due = previous;
  let reported = -Infinity;
  for (;;) {
    if (!playing) {
      await new Promise((resolve) => { resume = resolve; });
      previous = due = seconds();
    }
    const now = seconds();
    const tick = steer(
      settings,
      takeRequests(),
      elapsedSeconds(previous, now, FPS),
      network.config.push.seconds,
    );
    previous = now;
    settings = tick.settings;
    if (tick.restart) player = await Player.begin(network, settings.seed);
    if (tick.push) await player.push(tick.push.place, tick.push.seconds);
    await player.advance(tick.lampSeconds * network.config.steps_per_second);

    const frame = await player.renderFrame();
    postMessage({ frame, width: network.config.resolution }, [frame.buffer]);
    if (now - reported >= STATUS_INTERVAL) {
      reported = now;
      postMessage({ status: report(player, settings, network.config) });
    }
    due = Math.max(due + 1 / FPS, seconds());
    await new Promise((resolve) => { setTimeout(resolve, 1000 * (due - seconds())); });
  }
}

function takeRequests() {
  const taken = requests;
  requests = {};
  return taken;
}

function report(player, { seed, speed }, config) {
  return {
    checkpoint: config.checkpoint,
    checkpoints: [config.checkpoint],
    seed,
    speed,
    step: player.step,
    seconds: player.step / config.steps_per_second,
    ...latentHealth(player.latent, config.normal_bounds),
  };
}

function seconds() {
  return performance.now() / 1000;
}

run().catch((error) => postMessage({ trouble: error.message }));
