"""From a film to a lamp: prepares the film, trains, measures, and shows the result."""

import contextlib
import os
import pathlib
import time
from collections.abc import Collection

from duralava import files
from duralava.config import Config
from duralava.learning import plan, progress, score, second, verdict
from duralava.rendering import writers
from duralava.training import loop

PREVIEW, VERDICT = score.PREVIEW, "verdict.json"
_PREPARE, _PLAN, _TRAIN = "preparing the film", "planning", "learning"
_GO_ON, _MEASURE, _PREVIEW = "learning to go on", "measuring", "filming the preview"
_SECOND_STAGE = 0.15  # share of the time


def learn(
    source: str | os.PathLike[str],
    workdir: str | os.PathLike[str],
    config: Config,
    *,
    seconds: float,
    mirror: bool = False,
    start_from: str | None = None,
    given: Collection[str] = (),
) -> verdict.Verdict | None:
    """Learns a film, with one progress bar for all of it.

    Writes the training run, `preview.png` and `verdict.json` to the workdir.

    Args:
      source: video, or folder of images.
      workdir: as of `plan.prepare_run`.
      config: as of `plan.prepare_run`.
      seconds: of training, most of it for the networks, and the rest for what a lamp
        becomes when it runs on (`second`). Stopped by a signal, it leaves that out.
      mirror: whether clips are mirrored at random.
      start_from: as of `plan.starting_weights`.
      given: as of `plan.prepare_run`.

    Returns:
      How near the lamp is to the film; None if it was stopped before the first step.

    Raises:
      ValueError: as `plan.prepare_run` and `plan.starting_weights`.
      OSError: no such `source`, or the workdir cannot be written.
      FloatingPointError: as `loop.train`.
    """
    weights = plan.starting_weights(config, start_from)
    second_seconds = _SECOND_STAGE * seconds
    first_seconds = seconds - second_seconds
    stages = {
        _PREPARE: 30.0,
        _PLAN: 90.0,
        _TRAIN: first_seconds,
        _GO_ON: second_seconds + 40,
        _MEASURE: 40,
        _PREVIEW: 30,
    }
    with progress.StageBar(stages) as bar:
        config = plan.prepare_run(
            source,
            workdir,
            config,
            mirror=mirror,
            seconds=first_seconds,
            given=given,
            on_share=bar.report,
            on_prepared=lambda: bar.begin(_PLAN),
        )
        bar.begin(_TRAIN)
        num_steps, begun = config.training.num_steps, time.monotonic()
        state = loop.train(
            config,
            workdir,
            data_dir=plan.data_dir(workdir),
            start_from=weights,
            max_seconds=first_seconds,
            on_step=lambda step: bar.report(step / num_steps),
        )
        step = int(state.step)
        if not step:
            return None
        if step == num_steps or time.monotonic() - begun > first_seconds:
            bar.begin(_GO_ON)
            second.fit(
                config, workdir, state, seconds=second_seconds, on_share=bar.report
            )
        bar.begin(_MEASURE)
        found = score.score_workdir(workdir)
        learned, held_out = plan.films(config, workdir)
        result = verdict.give_verdict(
            found,
            film_seconds=(len(learned.frames) + len(held_out.frames)) / learned.fps,
            held_out_seconds=len(held_out.frames) / held_out.fps,
            step=step,
            num_steps=num_steps,
        )
        folder = pathlib.Path(workdir).expanduser()
        with files.written_whole(folder / VERDICT) as partial:
            files.write_json(partial, verdict.as_json(result, found))
        bar.begin(_PREVIEW)
        with contextlib.suppress(writers.Interrupted):  # then it is shorter
            score.render_preview(workdir)
    return result
