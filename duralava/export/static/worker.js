// Runs the lamp in real time, beside the page, so that the page never waits for it.
//
// Takes {play: bool} and the wishes of page.js. Sends {frame, width} and {status}, and
// {trouble} if it cannot go on.

import { Lamp } from "./lamp.js";
import { openNetwork } from "./network.js";

const FPS = 30;
const STATUS_EVERY = 500; // milliseconds
const LATEST = 0.5; // seconds: behind by more, the lamp does not catch up

let wishes = {};
let playing = true;
let resume = () => {};

onmessage = ({ data: { play, ...others } }) => {
  wishes = { ...wishes, ...others };
  if (play !== undefined) playing = play;
  if (playing) resume();
};

async function run() {
  const network = await openNetwork();
  const { settings } = network;
  let seed = 0;
  let speed = 1;
  let touch = null;
  let lamp = await Lamp.begin(network, seed);
  let told = -Infinity;
  let then = performance.now();
  let due = then;
  for (;;) {
    if (!playing) {
      await new Promise((resolve) => { resume = resolve; });
      then = due = performance.now();
    }
    const now = performance.now();
    const seconds = Math.min((now - then) / 1000, LATEST);
    then = now;

    const granted = wishes;
    wishes = {};
    if ("seed" in granted) {
      ({ seed } = granted);
      lamp = await Lamp.begin(network, seed);
    }
    speed = granted.speed ?? speed;
    if (granted.push) touch = { place: granted.push, left: settings.push_seconds };
    if (touch) {
      await lamp.push(touch.place, Math.min(seconds, touch.left));
      touch.left -= seconds;
      if (touch.left <= 0) touch = null;
    }
    await lamp.advance(seconds * speed * settings.steps_per_second);

    const frame = await lamp.draw();
    postMessage({ frame, width: settings.resolution }, [frame.buffer]);
    if (now - told >= STATUS_EVERY) {
      told = now;
      postMessage({
        status: {
          checkpoint: settings.checkpoint,
          checkpoints: [settings.checkpoint],
          seed,
          speed,
          step: lamp.step,
          seconds: lamp.step / settings.steps_per_second,
          ...lamp.health(),
        },
      });
    }
    due = Math.max(due + 1000 / FPS, performance.now());
    await new Promise((resolve) => { setTimeout(resolve, due - performance.now()); });
  }
}

run().catch((error) => postMessage({ trouble: error.message }));
