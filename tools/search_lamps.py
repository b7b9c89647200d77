"""Many lamps at once on an accelerator: candidates x seeds, tracker on the host."""
import sys, os, time, json, types, functools, multiprocessing as mp
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import numpy as np
from duralava.simulation import bodies
from duralava.simulation.config import LampConfig
import scipy.ndimage as ndi

ARGS = dict(a.split("=") for a in sys.argv[1:])
MODE = ARGS.get("mode", "search")
SECONDS = float(ARGS.get("seconds", 200)); SEEDS = int(ARGS.get("seeds", 4)); CANDS = int(ARGS.get("cands", 48))
LIMIT = float(ARGS.get("limit", 400)); WARM = float(ARGS.get("warm", 40)); OUT = ARGS.get("out", os.environ.get("OUT", "/tmp/out"))
PROCS = int(ARGS.get("procs", 14))
T0 = time.time()

BASES = [
    dict(surface_tension=.7, buoyancy=60., wax_share=.15, drainage_seconds=60., coil_drainage_seconds=20.),
    dict(surface_tension=.5, buoyancy=70., wax_share=.17, drainage_seconds=60., coil_drainage_seconds=15.),
]
RANGES = dict(surface_tension=(.35, 1.0), buoyancy=(45., 95.), wax_share=(.14, .2), drainage_seconds=(30., 160.), coil_drainage_seconds=(5., 40.),
    top_contact=(-.5, .8), heating_rate=(1.8, 4.), top_cooling_rate=(.8, 2.6), glass_cooling_rate=(.008, .035), heater_radius=(.22, .42),
    neutral_temperature=(.44, .56), top_cooling_reach=(.04,.12), heat_diffusivity=(3e-4, 1.2e-3))
TRACED = ["surface_tension","buoyancy","repulsion","top_contact","wall_contact","floor_contact","heating_rate","top_cooling_rate","glass_cooling_rate",
    "heater_radius","heater_reach","neutral_temperature","top_cooling_reach","glass_cooling_reach","heat_diffusivity","ripening"]

def candidates(n):
    rng = np.random.default_rng(7); out = []
    while len(out) < n:
        if len(out) < len(BASES): values = dict(BASES[len(out)])
        else:
            values = {k: float(rng.uniform(*r)) for k, r in RANGES.items()}
            if len(out) % 2: values.update({k: float(rng.uniform(*RANGES[k])) if rng.random() < .5 else v for k, v in BASES[len(out)//2 % 2].items()}); values = {k:v for k,v in values.items() if k in BASES[0] or rng.random()<.5}
        try: LampConfig(**values)
        except ValueError: continue
        out.append(values)
    return out

if "file" in ARGS: VALUES = json.load(open(ARGS["file"]))
else: VALUES = candidates(CANDS)
CONFIGS = [LampConfig(**v) for v in VALUES]
LAMPS = [(c, s) for c in range(len(CONFIGS)) for s in range(SEEDS)]
N = len(LAMPS); C0 = CONFIGS[0]; SHAPE = (N, C0.num_fields, *C0.shape)
shared = mp.RawArray("f", int(np.prod(SHAPE))); WAX = np.frombuffer(shared, np.float32).reshape(SHAPE)
FRAMES = C0.tracking_frames

def shape_of(wax, found, cell):
    """Sphericity of the bodies that touch neither floor nor top, and volumes."""
    rows = []
    for b in found:
        box = tuple(slice(max(0, s.start-1), s.stop+1) for s in b.box)
        part = np.where(b.near[tuple(slice(0, None) for _ in b.box)] , wax[b.field][b.box], 0)
        V = part.sum()
        pad = np.pad(part, 1, mode="edge")
        g = np.gradient(pad); A = np.sqrt(sum(x*x for x in g))[1:-1,1:-1,1:-1].sum()
        lo = b.box[1].start <= 1; hi = b.box[1].stop >= wax.shape[2]-1
        rows.append((float(V), float(np.pi**(1/3)*(6*V)**(2/3)/max(A,1e-9)), bool(lo), bool(hi)))
    return rows

def host(job):
    i, call, measure = job
    c, s = LAMPS[i]
    rng = np.random.default_rng((s, call))
    wax = WAX[i].copy()
    if not np.isfinite(wax).all(): return i, None
    new, ev = bodies.track(wax, FRAMES/30, rng, CONFIGS[c])
    out = [ev.moved, ev.merged, ev.crowded]
    if new is not wax: WAX[i] = new
    rows = None
    labels, found = bodies._find(new)
    if measure: rows = shape_of(new, found, CONFIGS[c].cell)
    return i, (out, len(found), rows)

def main():
    pool = mp.get_context("fork").Pool(PROCS)   # before JAX starts
    import jax, jax.numpy as jnp
    from duralava.simulation import lamp, shading
    from duralava.simulation.lamp import LampState
    print(jax.devices(), N, "lamps", flush=True)
    def heat(config):
        z, y, x = lamp._centres(C0)
        spot = jnp.exp(-((x-.5)**2+(z-.5)**2)/config.heater_radius**2)
        heating = config.heating_rate*spot*jnp.exp(-y/config.heater_reach)
        cooling = config.top_cooling_rate*jnp.exp((y-C0.height)/config.top_cooling_reach)
        for a in (x, z):
            cooling = cooling + config.glass_cooling_rate*jnp.exp(-(.5-np.abs(a-.5))/config.glass_cooling_reach)
        return heating, cooling
    lamp._heat_exchange = heat
    static = {k: getattr(C0, k) for k in ("num_fields","columns","rows","shape","cell","height","surface_width","surface_cells")}
    params = {k: jnp.array([getattr(CONFIGS[c], k) for c, _ in LAMPS], jnp.float32) for k in TRACED}
    def next_frame(state, p):
        return lamp._next_frame(state, types.SimpleNamespace(**static, **p))
    @jax.jit
    def block(state):
        def one(s, _):
            new = jax.vmap(next_frame)(s, params)
            return new, None
        before = state.wax
        state, _ = jax.lax.scan(one, state, length=FRAMES)
        total, old = state.wax.sum(1), before.sum(1)
        change = jnp.abs(total-old).mean((1,2,3))
        small = total.reshape(N, C0.columns//2, 2, C0.rows//2, 2, C0.columns//2, 2).mean((2,4,6))
        y = jnp.arange(C0.rows)+.5
        height = (total*y[None,None,:,None]).sum((1,2,3))/total.sum((1,2,3))/C0.rows
        warm = (total*state.temperature).sum((1,2,3))/total.sum((1,2,3))
        peak = total.max((1,2,3)); share = total.mean((1,2,3))
        return state, dict(change=change, height=height, warm=warm, peak=peak, share=share), small
    init = [lamp.initial_state(np.random.default_rng((s, 0)), CONFIGS[c]) for c, s in LAMPS]
    state = LampState(jnp.stack([jnp.asarray(i.wax) for i in init]), jnp.stack([jnp.asarray(i.temperature) for i in init]))
    calls = int(SECONDS*30/FRAMES); series = []; smalls = []; shots = []
    shots_at = set(int(x) for x in np.linspace(WARM*30/FRAMES, calls-1, int(ARGS.get("shots", 10))))
    alive = np.ones(N, bool); log = []
    for call in range(1, calls+1):
        WAX[:] = np.asarray(state.wax)
        res = pool.map(host, [(i, call, call % 10 == 0) for i in range(N)], chunksize=max(1, N//(PROCS*4)))
        ev = np.zeros((N, 4)); rows = [None]*N
        for i, r in res:
            if r is None: alive[i] = False; continue
            ev[i, :3] = r[0]; ev[i, 3] = r[1]; rows[i] = r[2]
        state = state._replace(wax=jnp.asarray(WAX))
        state, m, small = block(state)
        log.append((ev, {k: np.asarray(v) for k, v in m.items()}, rows if call % 10 == 0 else None))
        if call*FRAMES/30 > WARM and call % 25 == 0: smalls.append(np.asarray(small, np.float16))
        if call in shots_at: shots.append(jax.tree.map(np.asarray, LampState(state.wax[::SEEDS] if MODE=="search" else state.wax[:8], state.temperature[::SEEDS] if MODE=="search" else state.temperature[:8])))
        if call in (3, 20) or call % 150 == 0: print(f"{time.time()-T0:.0f} s: film {call*FRAMES/30:.0f} s, alive {alive.sum()}", flush=True)
        if time.time()-T0 > LIMIT: print("time is up", flush=True); break
    done = len(log); dt = FRAMES/30; w = int(WARM/dt)
    ev = np.stack([l[0] for l in log])[w:]; ms = {k: np.stack([l[1][k] for l in log])[w:] for k in log[0][1]}
    minutes = max(ev.shape[0]*dt/60, 1e-9); result = []
    sm = np.stack(smalls).astype(np.float32) if smalls else None
    for c in range(len(CONFIGS)):
        ids = [i for i, (cc, _) in enumerate(LAMPS) if cc == c]
        sph, pools, vols, necks = [], 0, [], 0
        nrows = 0
        for l in log[w:]:
            if l[2] is None: continue
            for i in ids:
                if l[2][i] is None: continue
                nrows += 1
                for V, s, lo, hi in l[2][i]:
                    if not lo and not hi: sph.append(s)
                    vols.append(V)
                pools += any(lo for _,_,lo,_ in l[2][i])
        count = ev[:, ids, 3]
        splits = ev[:, ids, 1].sum() + (count[-1]-count[0]).sum() if len(count) else 0
        auto = []
        if sm is not None:
            for i in ids:
                x = sm[:, i].reshape(len(sm), -1); x = x - x.mean(0); n0 = (x*x).sum(1).mean()
                auto.append([float((x[:len(x)-k]*x[k:]).sum(1).mean()/n0) for k in range(0, min(25, len(x)//2), 2)])
        win = int(10/dt); ch = ms["change"][:, ids]
        roll = np.stack([ch[k:k+win].mean(0) for k in range(0, max(1,len(ch)-win), win)]) if len(ch) > win else ch
        result.append(dict(values=VALUES[c], alive=int(alive[ids].sum()), count=[float(np.percentile(count, q)) for q in (5, 50, 95)], in_range=float(((count>=4)&(count<=14)).mean()),
            merged=float(ev[:, ids, 1].sum()/minutes/len(ids)), splits=float(splits/minutes/len(ids)), moved=float(ev[:, ids,0].sum()/minutes/len(ids)), crowded=float((ev[:, ids, 2]>0).mean()),
            sphericity=[float(np.percentile(sph, q)) for q in (10, 50, 90)] if sph else None, round_share=float(np.mean(np.array(sph)<.8)) if sph else None,
            height=[float(ms["height"][:, ids].mean()), float(ms["height"][:, ids].std())], warm=float(ms["warm"][:, ids].mean()), change=float(ch.mean()), still=float(roll.min()/np.median(roll)), peak=float(np.nanmax(ms["peak"][:, ids])), share=float(ms["share"][-1, ids].mean()),
            auto=np.mean(auto, 0).round(3).tolist() if auto else None))
        if MODE == "long":
            result[-1]["series"] = {k: ms[k][::25, ids].round(4).tolist() for k in ("height", "change")} | {"count": count[::25].tolist(), "share": [float(ms["share"][0, ids].mean()), float(ms["share"][-1, ids].mean())]}
    os.makedirs(OUT, exist_ok=True)
    json.dump(dict(seconds=done*dt, wall=time.time()-T0, device=str(jax.devices()), result=result), open(f"{OUT}/result.json", "w"))
    print(f"{time.time()-T0:.0f} s: measured; drawing", flush=True)
    from PIL import Image
    size = int(ARGS.get("size", 120)); sheets = []
    for s in shots:
        flat = LampState(jnp.clip(jnp.asarray(s.wax).max(1), 0, 1), jnp.asarray(s.temperature))
        im = np.asarray(shading.shade(flat, size, C0)); sheets.append(im[:, :, int(size*.17):int(size*.83)])
    if sheets:
        grid = np.concatenate(sheets, 2)  # [cands, H, shots*W]
        per = 14
        for k in range(0, len(grid), per):
            Image.fromarray(np.concatenate(list(grid[k:k+per]), 0)).save(f"{OUT}/sheet_{k:02d}.jpg", quality=85)
    print(f"{time.time()-T0:.0f} s: done", flush=True)

if __name__ == "__main__": main()
