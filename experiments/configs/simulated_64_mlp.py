"""The simulated lamp with the original's transition: the weights `simulated_64_mlp`.

  python experiments/train.py --config=experiments/configs/simulated_64_mlp.py \
      --workdir=DIR

As `simulated_64`, but the latent moves by a dense network, which only a penalty keeps
standard normal. Then against an adversary, where lamps are carried along for longer, so
that the penalty sees farther horizons:

  python experiments/train.py --config=experiments/configs/simulated_64_adversary.py \
      --workdir=DIR2 --config.training.start_from=DIR --config.model.transition=mlp \
      --config.loss.normality_lamps=256 --config.loss.normality_weight=0.1 \
      --config.loss.reset_probability=0.1

and twice more from there, with lamps that run for a thousand and then for four thousand
steps on average: `--workdir=DIR3 --config.training.start_from=DIR2
--config.loss.normality_weight=1.0 --config.loss.reset_probability=0.02
--config.training.num_steps=500`, then `--workdir=DIR4 --config.training.start_from=DIR3
--config.loss.normality_weight=1.0 --config.loss.reset_probability=0.005`, and all else
as above. What it reached, beside a rotation: docs/results.md.
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/64x64_1h", horizontal_flip=True
                ),
                model=c.ModelConfig(transition="mlp", refresh=0.01),
                loss=dataclasses.replace(
                    c.ENCODER_ASSISTED,
                    normality_weight=0.1,
                    normality_lamps=256,
                    reset_probability=0.5,
                ),
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
            )
        )
    )
