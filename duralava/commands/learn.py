"""Learns your own film: prepares it, trains, and shows the result.

duralava learn --source=film.mp4 --workdir=my_lamp --minutes=60

The same command continues where it was stopped. Ctrl-C ends the training early and
shows what it has reached; a second Ctrl-C ends the command. The workdir is then a
checkpoint for the other commands: duralava render --checkpoint=my_lamp
"""

from collections.abc import Sequence

from absl import flags

from duralava import extras
from duralava.commands import config_flag
from duralava.config import Config, from_dict

_SOURCE = flags.DEFINE_string(
    "source", None, "Video, or folder of images.", required=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for everything that is written.", required=True
)
_MINUTES = flags.DEFINE_float(
    "minutes",
    60.0,
    "Training time; preparation and the preview take some minutes more.",
)
_MIRROR = flags.DEFINE_bool(
    "mirror", False, "Learn mirror images too; not if light or motion has a side."
)
_START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "Shipped name, workdir or file of weights to start from; empty for fresh ones. By "
    "default the shipped ones, if they fit.",
)
_CONFIG = config_flag.define("lava_lamp")
flags.adopt_module_key_flags(config_flag)


def main(_: Sequence[str]) -> None:
    """Learns, and prints how near it came."""
    # Imported here: it takes seconds, and the program may start anew before this.
    with extras.needed("train"):
        from duralava.learning import plan, score
        from duralava.training import loop

    seconds, workdir = 60 * _MINUTES.value, _WORKDIR.value
    config = from_dict(Config, _CONFIG.value.to_dict())
    start_from = plan.starting_weights(config, _START_FROM.value)
    config = plan.prepare_run(
        _SOURCE.value, workdir, config, mirror=_MIRROR.value, seconds=seconds
    )
    state = loop.train(
        config,
        workdir,
        data_dir=plan.data_dir(workdir),
        start_from=start_from,
        max_seconds=seconds,
    )
    step, num_steps = int(state.step), config.training.num_steps
    more = "" if step == num_steps else "; run again to continue"
    print(f"trained {step} of {num_steps} steps{more}", flush=True)
    if not step:
        return
    found = score.score_workdir(workdir)
    print("distance to held-out film, over that of learned film (1 is as near):")
    print(f"  of frames {found.frames:.2f}, of clips {found.clips:.2f}")
    print(
        "distance to the nearest learned frame, over that of held-out film: "
        f"{found.nearest:.2f}"
    )
    if found.memorised:
        print("memorised: its frames are near copies of learned ones; take more film")
    print(f"wrote the preview: {score.render_preview(workdir)}")
