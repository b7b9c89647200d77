"""Learning your own film: from a file to a trained lamp.

`plan` prepares the film and plans a run, `score` compares the result with the film. The
workdir is that of a training run, with the prepared film in `data/` and a film of the
lamp in `preview.png`.
"""
