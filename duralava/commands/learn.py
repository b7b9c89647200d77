"""Learns your own film: prepares it, trains, and shows the result.

duralava learn --source=film.mp4 --workdir=my_lamp --minutes=60

Most of the time, networks learn to draw; in the last 15 % the lamp learns to run on.
The same command continues where it was stopped. Ctrl-C ends the training early and
shows what it has reached; a second Ctrl-C ends the command. The workdir is then a
checkpoint for the other commands: duralava render --checkpoint=my_lamp

The size of the prepared film, the time between the frames of a clip and the length of
clips suit the film, unless --config.data.dataset=lava_lamp/256x256,
--config.data.frame_stride or --config.data.clip_length are given.
"""

import pathlib
from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava.commands import config_flag
from duralava.config import Config, from_dict

with epy.lazy_imports():
    from duralava.learning import learn

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
    """Learns, and says how near it came."""
    result = learn.learn(
        _SOURCE.value,
        _WORKDIR.value,
        from_dict(Config, _CONFIG.value.to_dict()),
        seconds=60 * _MINUTES.value,
        mirror=_MIRROR.value,
        start_from=_START_FROM.value,
        given=config_flag.given(),
    )
    if result is None:
        print("stopped before the first step; run again to start")
        return
    print("\n".join(result.sentences))
    print(f"Watch it:  duralava live --checkpoint={_WORKDIR.value}")
    print(f"Film it:   duralava render --checkpoint={_WORKDIR.value} -o lamp.mp4")
    print(f"wrote the preview: {pathlib.Path(_WORKDIR.value) / learn.PREVIEW}")
