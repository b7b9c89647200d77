"""The simulated lamp at 64x64."""

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(batch_size=8, horizontal_flip=True),
                loss=c.LossConfig(
                    adversarial_weight=0.05,
                    adversarial_start_step=9_000,
                    reconstruction_weight=1.0,
                    rollout_weight=1.0,
                    latent_prediction_weight=1e-3,
                    code_divergence_weight=1e-3,
                    code_normality_weight=0.03,
                    rollout_frames=3,
                ),
                optimizer=c.OptimizerConfig(
                    learning_rate=1e-3,
                    discriminator_learning_rate=2e-3,
                    b1=0.9,
                    gradient_clip=1.0,
                    warmup_steps=100,
                ),
                training=c.TrainingConfig(num_steps=10_000),
            )
        )
    )
