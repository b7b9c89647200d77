// The page of a lamp, whatever runs it: draws its frames and hands on what is wished.

const THEMES = {
  sunset: "none",
  rose: "hue-rotate(-40deg) saturate(0.9)",
  violet: "hue-rotate(-80deg)",
  ocean: "hue-rotate(-150deg) saturate(0.9)",
  moss: "hue-rotate(110deg) saturate(0.8)",
  amber: "hue-rotate(35deg)",
  moon: "grayscale(1) contrast(1.1)",
};
const IDLE = 3000; // milliseconds without a touch after which the controls fade
const TOUCH_EVERY = 100; // milliseconds
const RECORDED_FPS = 30;
const GRANTED = 1500; // milliseconds after which a wish is sure to be known
const REMEMBERED = 600; // points of the graph
const AIM = 0.05; // of the picture, by an arrow key
const TALLEST = 1.7; // widths of the screen

const find = (id) => document.getElementById(id);

/** Text of a number of seconds, to two units. */
export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [name, size] of units.slice(seconds >= 1 ? first : 3).slice(0, 2)) {
    parts.push(`${Math.floor(rest / size)} ${name}`);
    rest %= size;
  }
  return parts.join(" ");
}

/** The sentence under the lamp. */
export function sentence({ seconds, step, normal }) {
  const state = normal ? "still N(0, 1)" : "no longer N(0, 1)";
  return `running for ${duration(seconds)}, ${step.toLocaleString("en")} steps, ${state}`;
}

/** Means and standard deviations against time; the farther back, the fewer points. */
class History {
  #points = [];
  #skip = 1;
  #count = 0;

  add(mean, std) {
    if (this.#count++ % this.#skip) return;
    this.#points.push([mean, std]);
    if (this.#points.length > REMEMBERED) {
      this.#points = this.#points.filter((_, index) => index % 2 === 0);
      this.#skip *= 2;
    }
  }

  clear() {
    this.#points = [];
    this.#skip = 1;
    this.#count = 0;
  }

  draw(canvas) {
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const row = (value) => height * (0.85 - 0.6 * value); // 0 below, 1 above
    context.lineWidth = ratio;
    context.strokeStyle = "#6b4a66";
    for (const value of [0, 1]) {
      context.beginPath();
      context.moveTo(0, row(value));
      context.lineTo(width, row(value));
      context.stroke();
    }
    const last = Math.max(1, this.#points.length - 1);
    ["#6fb7ff", "#ff9a5c"].forEach((colour, part) => {
      context.strokeStyle = context.fillStyle = colour;
      context.beginPath();
      this.#points.forEach((point, index) => {
        context.lineTo((index / last) * width * 0.78, row(point[part]));
      });
      context.stroke();
      if (this.#points.length) {
        context.font = `${11 * ratio}px system-ui`;
        const label = part ? "std" : "mean";
        context.fillText(label, width * 0.81, row(part) + 4 * ratio);
      }
    });
  }
}

/** Plays a lamp: an object with start, play and wish, as main.js has one. */
export function play(lamp) {
  const canvas = find("lamp");
  const context = canvas.getContext("2d");
  const small = document.createElement("canvas");
  const history = new History();
  let playing = true;
  let fresh = false;
  let status = null;
  let frames = 0;
  let recorder = null;
  let idle = null;
  let aim = null;
  let wished = -Infinity;

  function say(text, milliseconds) {
    find("message").textContent = text;
    if (milliseconds) setTimeout(() => {
      if (find("message").textContent === text) find("message").textContent = "";
    }, milliseconds);
  }

  /** Where the square picture is on the canvas. */
  function place() {
    // A lamp is slim: on a tall screen the dark at its sides may go.
    const side = Math.min(canvas.height, TALLEST * canvas.width);
    return { side, left: (canvas.width - side) / 2, top: (canvas.height - side) / 2 };
  }

  function paint() {
    requestAnimationFrame(paint);
    const [width, height] = [innerWidth * devicePixelRatio, innerHeight * devicePixelRatio];
    if (canvas.width !== Math.round(width) || canvas.height !== Math.round(height)) {
      canvas.width = Math.round(width);
      canvas.height = Math.round(height);
      fresh = true;
    }
    if (!fresh || !small.width) return;
    fresh = false;
    const { side, left, top } = place();
    context.filter = "none";
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.filter = THEMES[find("theme").value];
    context.drawImage(small, left, top, side, side);
    if (aim && document.activeElement === canvas) {
      context.filter = "none";
      context.strokeStyle = "#fff";
      context.lineWidth = 2 * devicePixelRatio;
      context.beginPath();
      context.arc(left + aim[0] * side, top + aim[1] * side, side / 40, 0, 7);
      context.stroke();
    }
  }

  function onFrame(image) {
    if (!playing) return; // it was on its way already
    if (small.width !== image.width || small.height !== image.height) {
      small.width = image.width;
      small.height = image.height;
    }
    small.getContext("2d").putImageData(image, 0, 0);
    fresh = true;
    frames += 1;
    document.body.dataset.frames = frames;
    // Where less motion is asked for, one picture stands until it is told to play.
    if (frames === 1 && matchMedia("(prefers-reduced-motion: reduce)").matches) {
      setPlaying(false);
      say("Paused, as your system asks for less motion. Space plays.", 8000);
    }
  }

  function onStatus(next) {
    if (status && (next.seed !== status.seed || next.checkpoint !== status.checkpoint)) {
      history.clear();
    }
    status = next;
    history.add(status.mean, status.std);
    history.draw(find("graph"));
    find("status").textContent = sentence(status);
    document.body.dataset.step = status.step;
    // News may be older than a wish that was just made.
    if (performance.now() - wished > GRANTED) {
      if (document.activeElement !== find("seed")) find("seed").value = status.seed;
      showSpeed(status.speed);
    }
    const choice = find("checkpoint");
    if (choice.options.length !== status.checkpoints.length) {
      choice.replaceChildren(...status.checkpoints.map((name) => new Option(name)));
      find("weights").hidden = status.checkpoints.length < 2;
    }
    choice.value = status.checkpoint;
  }

  function showSpeed(speed) {
    find("speed").value = Math.log10(speed);
    find("pace").value = `${Number(speed.toPrecision(2))}×`;
  }

  function setPlaying(next) {
    playing = next;
    lamp.play(playing);
    find("play").textContent = playing ? "Pause" : "Play";
    wake();
  }

  function setSpeed(power) {
    const speed = 10 ** Math.max(-1, Math.min(1, power));
    wished = performance.now();
    showSpeed(speed);
    lamp.wish({ speed: Number(speed.toPrecision(3)) });
  }

  function setSeed(seed) {
    wished = performance.now();
    find("seed").value = seed;
    lamp.wish({ seed });
  }

  function nextTheme() {
    const choice = find("theme");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
    fresh = true;
  }

  function save(blob, suffix) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `lamp-${status?.seed ?? 0}-${status?.step ?? 0}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  function snapshot() {
    canvas.toBlob((blob) => save(blob, "png"), "image/png");
  }

  function record() {
    if (recorder) {
      recorder.stop();
      return;
    }
    if (!window.MediaRecorder) {
      say("This browser cannot record.", 4000);
      return;
    }
    const parts = [];
    recorder = new MediaRecorder(canvas.captureStream(RECORDED_FPS), {
      mimeType: "video/webm",
      videoBitsPerSecond: 8_000_000,
    });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      recorder = null;
      find("record").textContent = "Record";
      find("record").setAttribute("aria-pressed", "false");
      save(new Blob(parts, { type: "video/webm" }), "webm");
    };
    recorder.start(1000);
    find("record").textContent = "Stop and save";
    find("record").setAttribute("aria-pressed", "true");
  }

  function fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen?.().catch(() => {});
  }

  /** Shows the controls, and lets them fade later. */
  function wake() {
    find("panel").classList.remove("idle");
    clearTimeout(idle);
    if (playing) idle = setTimeout(() => find("panel").classList.add("idle"), IDLE);
  }

  let touched = 0;
  function touch({ clientX, clientY, timeStamp }) {
    if (timeStamp - touched < TOUCH_EVERY) return;
    const { side, left, top } = place();
    const x = (clientX * devicePixelRatio - left) / side;
    const y = (clientY * devicePixelRatio - top) / side;
    if (Math.min(x, y) < 0 || Math.max(x, y) > 1) return;
    touched = timeStamp;
    lamp.wish({ push: [x, y] });
  }

  /** Keys on the lamp itself: arrows aim, Enter touches. */
  function aimWith(key) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    aim ??= [0.5, 0.5];
    if (key in moves) {
      aim = aim.map((v, axis) => Math.max(0, Math.min(1, v + AIM * moves[key][axis])));
    } else if (key === "Enter") {
      lamp.wish({ push: aim });
    } else {
      return false;
    }
    fresh = true;
    return true;
  }

  const keys = {
    " ": () => setPlaying(!playing),
    "+": () => setSpeed(Number(find("speed").value) + 0.1),
    "=": () => setSpeed(Number(find("speed").value) + 0.1),
    "-": () => setSpeed(Number(find("speed").value) - 0.1),
    n: () => find("another").click(),
    t: nextTheme,
    s: snapshot,
    r: record,
    f: fullScreen,
    g: () => { find("health").hidden = !find("health").hidden; },
    "?": () => find("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    wake();
    if (event.ctrlKey || event.altKey || event.metaKey || find("keys").open) return;
    const { target, key } = event;
    if (target === canvas && aimWith(key)) {
      event.preventDefault();
      return;
    }
    // A control that has the focus keeps the keys that it knows.
    const typing = target.matches("input, select");
    const pressing = target.matches("button") && key === " ";
    const action = keys[key.length === 1 ? key.toLowerCase() : key];
    if (!action || typing || pressing) return;
    event.preventDefault();
    action();
  });
  canvas.tabIndex = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touch(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) touch(event);
  });
  for (const kind of ["pointermove", "pointerdown", "focusin"]) {
    document.addEventListener(kind, wake);
  }
  find("play").onclick = () => setPlaying(!playing);
  find("speed").oninput = () => setSpeed(Number(find("speed").value));
  find("seed").onchange = () => {
    if (find("seed").checkValidity()) setSeed(Number(find("seed").value));
  };
  find("another").onclick = () => setSeed(Math.floor(Math.random() * 2 ** 31));
  find("theme").append(...Object.keys(THEMES).map((name) => new Option(name)));
  find("theme").onchange = () => { fresh = true; };
  find("checkpoint").onchange = () => lamp.wish({ checkpoint: find("checkpoint").value });
  find("snapshot").onclick = snapshot;
  find("record").onclick = record;
  find("screen").onclick = fullScreen;
  find("help").onclick = () => find("keys").showModal();

  wake();
  paint();
  lamp.start({ onFrame, onStatus, onTrouble: say });
}
