"""The recipe of the original duralava, a Keras script, as far as possible.

  duralava train --config=original_64 --workdir=DIR

Networks, losses, optimiser, clip and schedule are the original's, for an hour of film:
`lavalamp.mov`, prepared as `lava_lamp/64x64`. The differences, and their reasons:

* There is no batch normalisation in generator and discriminator; the generator has
  pixel normalisation in its place. A network here is a function of parameters and one
  input, and does not depend on the other lamps of a batch.
* The transition is residual, and its output is not standardised by the batch, because
  one lamp must run alone. Only the normality penalty keeps it normal.
* Gradients are clipped: a latent that is not standardised can grow, and the penalty's
  gradient grows with its cube.
* The penalty takes the moments of each dimension of a latent and their covariance; the
  original pooled all values.
* The output of the generator is `tanh` in [-1, 1]: the same family as a sigmoid in
  [0, 1].
"""

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(dataset="lava_lamp/64x64", batch_size=32),
                model=c.ModelConfig(
                    generator="convolution",
                    generator_hidden=0,
                    generator_channels=(256, 128, 64, 32),
                    generator_background=False,
                    discriminator_channels=(32, 64, 128, 256),
                    discriminator_code=128,
                    discriminator_hidden=512,
                    discriminator_time="recurrent",
                    transition="mlp",
                    transition_layers=2,
                    transition_hidden=512,
                ),
                loss=c.LossConfig(
                    adversarial="bce",
                    gradient_penalty="none",
                    normality_weight=0.1,
                    reset_probability=0.5,
                ),
                optimizer=c.OptimizerConfig(
                    name="sgd",
                    learning_rate=1e-3,
                    discriminator_learning_rate=1e-3,
                    final_learning_rate_scale=0.0,
                    gradient_clip=10.0,
                ),
                training=c.TrainingConfig(num_steps=34_000),
            )
        )
    )
