"""Learns a film of one's own: prepares it, trains, and shows what came of it.

duralava learn --source=film.mp4 --workdir=my_lamp --minutes=60

Run again, it goes on where it was stopped. Ctrl-C ends the training early, to look at
what it has reached; a second one ends all. The workdir then is a checkpoint for the
other tools: duralava render --checkpoint=my_lamp
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from duralava.commands import recipes
from duralava.config import Config, from_dict

_SOURCE = flags.DEFINE_string(
    "source", None, "Video, or folder of images.", required=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for all that is made.", required=True
)
_MINUTES = flags.DEFINE_float(
    "minutes", 60.0, "Time to train; some minutes for all else come on top."
)
_MIRROR = flags.DEFINE_bool(
    "mirror", False, "Learn mirror images too: not if light or motion has a side."
)
_START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "Shipped name, workdir or file of weights to begin with; empty for fresh ones. By "
    "default the shipped ones, where they fit.",
)
_CONFIG = config_flags.DEFINE_config_file(
    "config", str(recipes.path("lava_lamp_64")), "Name of a config, or its file."
)


def main(_: Sequence[str]) -> None:
    """Learns, and prints how far it came."""
    # Here, as what it imports takes seconds: not twice, should the program start anew.
    from duralava import learning, training

    seconds = 60 * _MINUTES.value
    config = learning.prepare(
        _SOURCE.value,
        _WORKDIR.value,
        from_dict(Config, _CONFIG.value.to_dict()),
        mirror=_MIRROR.value,
        start_from=_START_FROM.value,
        seconds=seconds,
    )
    num_steps = config.training.num_steps
    state = training.train(config, _WORKDIR.value, max_seconds=seconds)
    step = int(state.step)
    more = "" if step == num_steps else "; run again to go on"
    print(f"trained {step} of {num_steps} steps{more}", flush=True)
    if not step:
        return
    verdict = learning.judge(_WORKDIR.value)
    print("distance to held-out film, over that of learned film (1 is as good):")
    print(f"  of frames {verdict.frames:.2f}, of clips {verdict.clips:.2f}")
    print(
        "distance to the nearest learned frame, over that of held-out film: "
        f"{verdict.nearest:.2f}"
    )
    if verdict.memorised:
        print("memorised: its frames are near copies of learned ones; take more film")
    print(f"wrote the preview: {learning.render_preview(_WORKDIR.value)}")
