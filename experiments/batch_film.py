"""Prepares simulated_lava_lamp/<config> with all lamps as one batch on an accelerator.

python .lease/film.py CONFIG DATA_DIR [lamps] [procs]
"""
import functools, multiprocessing as mp, os, sys, time
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import numpy as np
from duralava.simulation import bodies
from duralava.simulation.config import FRAMES_PER_SECOND

CONFIG, DATA_DIR = sys.argv[1], sys.argv[2]
PROCS = int(sys.argv[3]) if len(sys.argv) > 3 else max(1, (os.cpu_count() or 2) - 1)
GROUPS = 2
T0 = time.time()
G = {}


def track(job):
    index, call = job
    wax = G["wax"][index]
    if not np.isfinite(wax).all():
        raise FloatingPointError(f"lamp {index}")
    rng = np.random.default_rng((G["seeds"][index], call))
    new, _ = bodies.track(wax, G["seconds"], rng, G["config"])
    if new is not wax:
        G["wax"][index] = new


def simulate_lamps(film, lamps, *, num_workers=None):
    keywords = film.keywords
    config, fps, resolution = keywords["config"], keywords["fps"], keywords["resolution"]
    sizes, theme = keywords["window_pictures"], keywords["theme"]
    n, k, frames = len(lamps), config.num_fields, config.tracking_frames
    assert FRAMES_PER_SECOND // fps == frames, "one frame a call of the tracker"
    chunk = 150 // frames
    shape = (n, k, *config.shape)
    raw = mp.RawArray("f", int(np.prod(shape)))
    G.update(wax=np.frombuffer(raw, np.float32).reshape(shape), config=config,
             seeds=[seed for seed, _ in lamps], seconds=frames / FRAMES_PER_SECOND)
    pool = mp.get_context("fork").Pool(PROCS)
    import jax, jax.numpy as jnp
    from duralava.simulation import canvas, lamp, shading
    from duralava.simulation.themes import THEMES
    print(jax.devices(), n, "lamps", PROCS, "processes", flush=True, file=sys.stderr)

    def painter(size):
        frame = canvas.frame(size, config.rows, config.columns)
        strips = canvas.canvas(frame, config.rows, config.columns, THEMES[theme])
        def strip_of(strip, surface):
            rows = shading._spline_weights(strip.row[:, 0], config.rows)
            columns = shading._spline_weights(strip.column, config.columns).transpose(0, 2, 1)
            fields = rows @ surface.reshape(config.rows, -1)
            fields = fields.reshape(len(fields), -1, config.columns) @ columns
            return shading._to_pixels(shading._paint(fields, strip, THEMES[theme]), frame.factor)
        def paint(surfaces):  # [N, Ny, 2 Nz, Nx]
            parts = jax.vmap(jax.vmap(strip_of, (None, 0)), (0, None))(strips, surfaces)
            return shading._join(parts, frame)
        return paint

    paint = {size: painter(size) for size in (resolution, *sizes)}

    @jax.jit
    def block(state, places):
        step = jax.vmap(lambda s: lamp._next_frame(s, config))
        first = step(state)
        def draw(surfaces_places):
            surfaces, places = surfaces_places
            out = {"frame": paint[resolution](surfaces)}
            for i, size in enumerate(sizes):
                pictures = paint[size](surfaces)
                cut = lambda p, at: jax.lax.dynamic_slice(p, (at[0], at[1], 0), (resolution, resolution, 3))
                out[f"window_{size}"] = jax.vmap(cut)(pictures, places[:, i])
            return out
        surfaces = jax.vmap(lambda s: shading._surfaces(s, config.surface_cells))(first)
        m = len(surfaces); part = min(m, 16)
        pad = -m % part
        grouped = jax.tree.map(lambda x: jnp.concatenate([x, x[:1].repeat(pad, 0)]).reshape(-1, part, *x.shape[1:]), (surfaces, places))
        drawn = jax.lax.map(draw, grouped)
        drawn = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:m], drawn)
        state, _ = jax.lax.scan(lambda s, _: (step(s), None), first, length=frames - 1)
        return state, drawn

    @jax.jit
    def warm(state):
        step = jax.vmap(lambda s: lamp._next_frame(s, config))
        return jax.lax.scan(lambda s, _: (step(s), None), state, length=frames)[0]

    ids = np.array_split(np.arange(n), GROUPS)
    states = []
    for g in ids:
        init = [lamp.initial_state(np.random.default_rng((lamps[i][0], 0)), config) for i in g]
        states.append(lamp.LampState(*(jnp.stack(f) for f in zip(*init))))
    skipped = round(config.warm_up_seconds * FRAMES_PER_SECOND) // frames
    most = max(count for _, count in lamps)
    rngs = [{size: np.random.default_rng((seed, size)) for size in sizes} for seed, _ in lamps]
    rows = [{} for _ in lamps]
    pending = [None] * GROUPS
    places = np.zeros((n, chunk, max(1, len(sizes)), 2), np.uint16)
    wait = host = 0.0

    def collect(gi):
        drawn = jax.tree.map(np.asarray, pending[gi])
        for j, i in enumerate(ids[gi]):
            for name, value in drawn.items():
                rows[i].setdefault(name, []).append(value[j])

    for call in range(1, skipped + most + 1):
        at = call - 1 - skipped
        if at >= 0 and at % chunk == 0:
            if at:
                for gi in range(GROUPS):
                    collect(gi); pending[gi] = None
                yield from emit(rows, places, sizes, lamps, at - chunk)
            for i in range(n):
                for j, size in enumerate(sizes):
                    places[i, :, j] = rngs[i][size].integers(size - resolution + 1, size=(chunk, 2), dtype=np.uint16)
        for gi, g in enumerate(ids):
            a = time.time()
            w = np.asarray(states[gi].wax)
            if pending[gi] is not None:
                collect(gi); pending[gi] = None
            b = time.time()
            G["wax"][g] = w
            pool.map(track, [(int(i), call) for i in g], chunksize=max(1, len(g) // (PROCS * 3)))
            state = states[gi]._replace(wax=jnp.asarray(G["wax"][g]))
            if at < 0:
                states[gi] = warm(state)
            else:
                states[gi], pending[gi] = block(state, jnp.asarray(places[g, at % chunk].astype(np.int32)))
            wait += b - a; host += time.time() - b
        if call in (2, 10) or call % 100 == 0 or at == 2:
            print(f"{time.time() - T0:.0f} s: call {call}, device {wait:.0f} s, host {host:.0f} s", flush=True, file=sys.stderr)
    for gi in range(GROUPS):
        collect(gi)
    yield from emit(rows, places, sizes, lamps, (most - 1) // chunk * chunk)
    pool.terminate()


def emit(rows, places, sizes, lamps, first):
    for i, (_, count) in enumerate(lamps):
        keep = min(len(rows[i]["frame"]), count - first)
        if keep > 0:
            out = {name: np.stack(value[:keep]) for name, value in rows[i].items()}
            for j, size in enumerate(sizes):
                out[f"place_{size}"] = places[i, :keep, j].copy()
            yield i, out
        rows[i].clear()


if __name__ == "__main__":
    from duralava.datasets import preparation
    from duralava.simulation import parallel
    plain = parallel.simulate_lamps
    parallel.simulate_lamps = simulate_lamps
    if "LAMPS" in os.environ:
        from duralava.datasets.simulated_lava_lamp import SimulatedLavaLamp
        lamps = int(os.environ["LAMPS"])
        for c in SimulatedLavaLamp.BUILDER_CONFIGS:
            if c.name == CONFIG:
                c.seconds, c.test_seconds = 150 * lamps, 150 * max(1, lamps // 10)
                if "SECONDS_EACH" in os.environ:
                    c.lamp_seconds = int(os.environ["SECONDS_EACH"])
                    c.seconds, c.test_seconds = c.lamp_seconds * lamps, c.lamp_seconds
    if "WARM" in os.environ:
        import dataclasses
        for c in SimulatedLavaLamp.BUILDER_CONFIGS:
            c.lamp = dataclasses.replace(c.lamp, warm_up_seconds=float(os.environ["WARM"]))
    if "PLAIN" in os.environ:
        parallel.simulate_lamps = plain
    preparation.prepare(f"simulated_lava_lamp/{CONFIG}", DATA_DIR)
    print(f"{time.time() - T0:.0f} s: done", flush=True, file=sys.stderr)
