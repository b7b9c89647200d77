"""Attacks duralava for some hours, and prints a table of what it withstood.

    python -m tests.torture
    python -m tests.torture --parts=inputs --kinds=gif,npy --count=200
    python -m tests.torture --parts=kills,server --kills=5 --minutes=3

Parts:

- inputs: damaged films, pictures, weights, configs, checkpoints and data sets.
- kills: training runs that are killed go on to the same end, bit for bit.
- server: hostile clients of `duralava live`, and a soak with ten viewers.

The exit code is 1 if anything went wrong.
"""

import argparse
import dataclasses
import pathlib
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT)]

from torture import inputs, kills, server  # noqa: E402

from duralava import tables  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Row:
    """The result of an attack.

    Attributes:
      attack: its name.
      counts: what was done and what came of it.
      faults: by number.
      minutes: that it took.
    """

    attack: str
    counts: dict
    faults: dict
    minutes: float = 0.0


def attack_inputs(arguments):
    for name in arguments.kinds.split(","):
        counts, faults = inputs.attack(name, range(arguments.count))
        tried = {"damaged": arguments.count}
        yield Row(name, tried | {o: counts[o] for o in inputs.OUTCOMES}, faults)


def attack_training(arguments):
    yield Row("kills of training", *kills.attack(arguments.kills))


def attack_server(arguments):
    try:
        for name, counts in server.run(soak_minutes=arguments.minutes):
            yield Row(f"server: {name}", counts, {})
    except Exception:
        yield Row("server", {}, {0: traceback.format_exc()})


PARTS = {"inputs": attack_inputs, "kills": attack_training, "server": attack_server}
COLUMNS = [
    tables.Column("attack", lambda row: row.attack),
    tables.Column(
        "counts",
        lambda row: ", ".join(
            f"{name} {value:.6g}" for name, value in row.counts.items() if value
        ),
    ),
    tables.Column("faults", lambda row: len(row.faults)),
    tables.Column("minutes", lambda row: row.minutes, ".1f"),
]


def main():
    """Attacks, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas")
    parser.add_argument(
        "--kinds", default=",".join(inputs.KINDS), help="of damaged inputs"
    )
    parser.add_argument(
        "--count", type=int, default=2000, help="damaged inputs of each kind"
    )
    parser.add_argument("--kills", type=int, default=20, help="of training runs")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak")
    arguments = parser.parse_args()
    rows = []
    for part in arguments.parts.split(","):
        since = time.monotonic()
        for row in PARTS[part](arguments):
            since, before = time.monotonic(), since
            rows.append(dataclasses.replace(row, minutes=(since - before) / 60))
            print(tables.plain(rows[-1:], COLUMNS).splitlines()[-1], flush=True)
            for number, fault in row.faults.items():
                print(f"  {number}: {fault}", flush=True)
    print(f"\n{tables.markdown(rows, COLUMNS)}")
    sys.exit(any(row.faults for row in rows))


if __name__ == "__main__":
    main()
