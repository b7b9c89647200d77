"""Every choice of a training run, as frozen and hashable dataclasses.

A `Config` is static under `jax.jit`, is written beside each checkpoint as JSON, and
is what a file of `experiments/configs` returns in the form of a `ConfigDict`.
"""

import dataclasses
import typing
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which film is trained on and how clips are cut from it.

    Attributes:
      dataset: name of a TFDS data set of `duralava.datasets`, with its config.
      data_dir: folder of prepared data sets.
      clip_length: number of steps T of a clip.
      frame_stride: film frames per step; 6 of a film at 30 fps make a step 0.2 s.
      film_fps: frames per second of the film; training sets it from the data set.
      batch_size: number of clips B of a step, over all devices.
      horizontal_flip: whether every second clip, by chance, is mirrored.
    """

    dataset: str = "simulated_lava_lamp/64x64_10min"
    data_dir: str = "~/duralava_data"
    clip_length: int = 20
    frame_stride: int = 6
    film_fps: float = 30.0
    batch_size: int = 16
    horizontal_flip: bool = False

    @property
    def steps_per_second(self) -> float:
        """Model steps in a second of film."""
        return self.film_fps / self.frame_stride


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of the networks.

    Attributes:
      resolution: height and width of a frame in pixels, a power of two times 4.
      latent_size: number of values Z of a latent, a multiple of 4.
      generator_hidden: width of a dense layer in front of the generator; 0 for none.
      generator_channels: channels at 4x4, 8x8, ...; one last layer enlarges to
        `resolution`, so that its stride is what remains.
      generator_background: whether the generator learns one picture that all frames
        share, as a resting camera sees it.
      pixel_norm: whether generator activations are normalised over channels.
      discriminator_channels: channels from the first strided layer down to 4x4; the
        first layer's stride is what the others leave over.
      discriminator_code: number of values that a frame's picture is reduced to.
      discriminator_hidden: width of the discriminator's dense layers.
      discriminator_time: how logits see time: `recurrent` updates a memory step by
        step, `shift` exchanges features with neighbouring steps.
      encoder_channels: as `discriminator_channels`, of the encoder.
      encoder_hidden: width of the encoder's dense layer.
      transition: `rotation` (exactly normal by construction) or `mlp` (kept normal by
        the penalty).
      transition_layers: number of rotation layers, or of hidden layers of the MLP. A
        rotation of one layer keeps the radius of each of its pairs for ever; two mix.
      transition_hidden: width of the transition's hidden layers.
      refresh: share s of noise in a step, `sqrt(1 - s^2) z + s noise`.
      convolution_dtype: in which the convolutions of generator and encoder compute.
        All else is float32: in the discriminator, differences of logits for the
        gradient penalty would drown in rounding.
    """

    resolution: int = 64
    latent_size: int = 64
    generator_hidden: int = 256
    generator_channels: tuple[int, ...] = (128, 96, 64, 32)
    generator_background: bool = True
    pixel_norm: bool = True
    discriminator_channels: tuple[int, ...] = (32, 64, 128)
    discriminator_code: int = 128
    discriminator_hidden: int = 128
    discriminator_time: Literal["recurrent", "shift"] = "shift"
    encoder_channels: tuple[int, ...] = (64, 96, 128)
    encoder_hidden: int = 256
    transition: Literal["rotation", "mlp"] = "rotation"
    transition_layers: int = 3
    transition_hidden: int = 128
    refresh: float = 0.0
    convolution_dtype: Literal["float32", "bfloat16"] = "float32"


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Terms of the two losses; a weight of zero switches a term off at no cost.

    Attributes:
      adversarial: `relativistic` (R3GAN) or `bce` (the original GAN).
      adversarial_weight: weight of the adversarial term in the generator's loss.
      adversarial_start_step: first step with the adversary, so that the encoder's
        terms may warm the generator up.
      adversarial_steps: length of the part of a clip, drawn anew each time, that is
        judged; 0 for the whole.
      adversarial_shift: pixels by which all clips that are judged are moved, at most,
        down and right, anew in each step.
      gradient_penalty: how |dD/dclip|^2 is had: `exact` by double backward,
        `finite_difference` from D(clip + noise) - D(clip), or `none`.
      gradient_penalty_weight: gamma of gamma / 2 |dD/dclip|^2, on real and on fake.
      gradient_penalty_noise: standard deviation of that noise, in units of [-1, 1].
      normality_weight: weight of the normality penalty on the latents of a rollout.
      normality_lamps: number of lamps whose latents the penalty looks at, those of the
        batch among them; 0 for these alone. Their latents cost nearly nothing, and
        the moments of a few lamps are not those of N(0, I) even where all is well.
      reset_probability: chance that a carried latent starts afresh from N(0, I).
      reconstruction_weight: `frame_error` of encoded and decoded frames.
      rollout_weight: `frame_error` of a rollout from the first code.
      change_weight: `change_error` of that rollout.
      code_divergence_weight: Kullback-Leibler divergence of the encoder's posterior
        from N(0, I), in nats per latent dimension.
      code_normality_weight: `moment_distance` of the codes from N(0, I).
      rollout_steps: length of that rollout, less than the clip's.
      rollout_frames: length of the part of it, drawn anew each time, that is decoded;
        at least 2.
    """

    adversarial: Literal["relativistic", "bce"] = "relativistic"
    adversarial_weight: float = 1.0
    adversarial_start_step: int = 0
    adversarial_steps: int = 0
    adversarial_shift: int = 0
    gradient_penalty: Literal["exact", "finite_difference", "none"] = (
        "finite_difference"
    )
    gradient_penalty_weight: float = 1.0
    gradient_penalty_noise: float = 0.05
    normality_weight: float = 0.1
    normality_lamps: int = 0
    reset_probability: float = 0.5
    reconstruction_weight: float = 0.0
    rollout_weight: float = 0.0
    change_weight: float = 0.0
    code_divergence_weight: float = 0.0
    code_normality_weight: float = 0.0
    rollout_steps: int = 8
    rollout_frames: int = 4

    @property
    def uses_adversary(self) -> bool:
        """Whether a discriminator is trained."""
        return self.adversarial_weight > 0

    @property
    def uses_encoder(self) -> bool:
        """Whether an encoder is trained."""
        return any(
            weight > 0
            for weight in (
                self.reconstruction_weight,
                self.rollout_weight,
                self.change_weight,
                self.code_divergence_weight,
                self.code_normality_weight,
            )
        )


# Film teaches by the encoder's terms alone: the quickest way to clear pictures and true
# motion on a CPU. A rotation needs no penalty to stay normal, codes do.
ENCODER_ASSISTED = LossConfig(
    adversarial_weight=0.0,
    normality_weight=0.0,
    reconstruction_weight=2.0,
    rollout_weight=1.0,
    change_weight=10.0,
    rollout_frames=3,
    code_divergence_weight=1e-4,
    code_normality_weight=0.04,
)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Optimisers of generator and discriminator.

    Attributes:
      name: `adam` or `sgd`.
      learning_rate: of the generator, transition and encoder, at the start.
      discriminator_learning_rate: of the discriminator, at the start.
      final_learning_rate_scale: both end at this share, after a cosine.
      warmup_steps: steps of linear warm-up of both.
      b1: Adam's decay of the mean gradient.
      b2: Adam's decay of the mean squared gradient.
      gradient_clip: largest global norm of a gradient; 0 for no limit.
      ema_decay: decay of the averaged generator that is rendered.
    """

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    discriminator_learning_rate: float = 3e-4
    final_learning_rate_scale: float = 0.1
    warmup_steps: int = 0
    b1: float = 0.9
    b2: float = 0.99
    gradient_clip: float = 0.0
    ema_decay: float = 0.998


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Length of the run and what it writes.

    Attributes:
      num_steps: training steps.
      seed: of parameters, latents and the order of clips.
      start_from: weights that generator, transition and encoder begin with, as
        `pretrained.load` takes them; none for fresh ones.
      clips_at_once: clips that the adversary's game holds in memory at a time, a
        divisor of the batch; 0 for as many as suit the machine.
      log_every: steps between scalars.
      sample_every: steps between pictures.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: number of latest checkpoints kept, beside the best.
    """

    num_steps: int = 20_000
    seed: int = 0
    start_from: str = ""
    clips_at_once: int = 0
    log_every: int = 50
    sample_every: int = 1_000
    checkpoint_every: int = 1_000
    keep_checkpoints: int = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run: data, networks, losses, optimisers, schedule."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a config dataclass as nested dicts, ready for JSON or a ConfigDict."""
    return dataclasses.asdict(config)


def from_dict(kind: type, values: dict[str, Any]) -> Any:
    """Returns the config dataclass `kind` made from `values`, defaults filled in.

    Raises:
      ValueError: a key is not a field of its dataclass, or a value not one of those
        that its field can take.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}")
    return kind(**{name: _parse(fields[name], value) for name, value in values.items()})


def _parse(field: dataclasses.Field, value: Any) -> Any:
    if dataclasses.is_dataclass(field.type):
        return from_dict(field.type, value)
    choices = typing.get_args(field.type)
    if typing.get_origin(field.type) is Literal and value not in choices:
        known = ", ".join(choices)
        raise ValueError(f"{field.name} is '{value}'; it can be one of {known}")
    return tuple(value) if isinstance(value, list) else value
