"""Every choice of a training run, as frozen, hashable and checked dataclasses.

A `Config` is static under `jax.jit`, is written beside each checkpoint as JSON, and
is what a module of `duralava.configs` returns in the form of a `ConfigDict`. It is the
identity of a run: where the film lies and which weights a run starts from are
arguments of the run, so that a workdir and its data can be moved.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from duralava import checked
from duralava.checked import Checked, number

FORMAT_VERSION = 3
"""Of configs as JSON.

Version 1 had `data.data_dir` and `training.start_from`. Versions 1 and 2 had no
`model.generator`: all generators were `convolution`.
"""

SMALLEST = 4
"""Height and width at which frames begin and end in the networks, pixels."""

_VERSION_KEY = "format_version"
_MOVED_TO_ARGUMENTS = {"data": ("data_dir",), "training": ("start_from",)}
_ONLY_GENERATOR = "convolution"  # before version 3


def strides(resolution: int, num_layers: int) -> tuple[int, ...]:
    """Strides, finest layer first, that take `resolution` to 4 in `num_layers`.

    All are 2 but the finest, which takes what the others leave.

    Raises:
      ValueError: no even stride of 2 or more is left for the finest layer.
    """
    finest, rest = (
        divmod(resolution, SMALLEST * 2 ** (num_layers - 1)) if num_layers else (0, 0)
    )
    if rest or finest < 2 or finest % 2:
        raise ValueError(
            f"{num_layers} layers do not lead from {resolution} to {SMALLEST} pixels"
        )
    return (finest,) + (2,) * (num_layers - 1)


@dataclasses.dataclass(frozen=True)
class DataConfig(Checked, section="data"):
    """The film to learn, and how clips are cut from it.

    Attributes:
      dataset: name of a data set of `duralava.datasets`, with its config.
      clip_length: number of steps T of a clip.
      frame_stride: film frames per step; 6 of a film at 30 fps make a step 0.2 s.
      film_fps: frames per second of the film; training sets it from the data set.
      batch_size: number of clips B of a step, over all devices.
      horizontal_flip: whether each clip is mirrored with probability 1/2, and each
        window.
      windows: number of windows N of a step for the still critic, over all devices:
        each of a frame of its own, of the model's resolution.
      whole_windows: share of these windows that show whole frames. The others show
        parts of larger pictures, where the film has them.
    """

    dataset: str = "simulated_lava_lamp/64x64_10min"
    clip_length: int = number(20, least=1)
    frame_stride: int = number(6, least=1)
    film_fps: float = number(30.0, above=0)
    batch_size: int = number(16, least=1)
    horizontal_flip: bool = False
    windows: int = number(0, least=0)
    whole_windows: float = number(1 / 3, least=0, most=1)

    @property
    def steps_per_second(self) -> float:
        """Model steps in a second of film."""
        return self.film_fps / self.frame_stride

    def _check(self) -> None:
        if not self.dataset:
            raise ValueError("data.dataset must not be empty")


@dataclasses.dataclass(frozen=True)
class ModelConfig(Checked, section="model"):
    """Shape of the networks.

    Attributes:
      resolution: height and width in pixels of the frames that encoder and
        discriminator see, a power of two times 4.
      latent_size: number of values Z of a latent, a multiple of 4.
      generator: a key of `models.GENERATORS`: `field` (a map of features, which a head
        colours at any size) or `convolution` (frames of `resolution` only).
      generator_hidden: width of a dense layer in front of the generator; 0 for none.
      generator_channels: channels at 4x4, 8x8, ...; one last layer enlarges to the
        generator's output, so that its stride is what remains.
      generator_background: whether the generator learns a background that all frames
        share, as a fixed camera sees it: features of each place (`field`) or a picture
        (`convolution`).
      feature_size: height and width of the map of features of a `field`.
      feature_channels: number of features of each place of it.
      head_hidden: width of the head's dense layer.
      flow_layers: number of layers of the flow between latents and codes of film; 0 for
        none: codes themselves shall be normal.
      flow_hidden: width of the flow's hidden layers.
      pixel_norm: whether generator activations are normalised over channels.
      discriminator_channels: channels from the first strided layer down to 4x4; the
        first layer's stride is what the others leave over.
      discriminator_code: number of values that a frame is reduced to.
      discriminator_hidden: width of the discriminator's dense layers.
      discriminator_time: how logits depend on other steps: `recurrent` updates a memory
        step by step, `shift` exchanges features with neighbouring steps.
      still_channels: channels of the still critic, as `discriminator_channels`.
      still_blocks: number of residual blocks after each of these layers.
      still_group: number of windows whose features the still critic compares; 1 for
        none.
      motion_size: height and width of the motion critic's frames, pixels.
      motion_channels: channels of the motion critic, as `discriminator_channels`.
      motion_blocks: as `still_blocks`.
      critic_dtype: in which the convolutions of the critics compute.
      encoder_channels: as `discriminator_channels`, of the encoder.
      encoder_hidden: width of the encoder's dense layer.
      transition: a key of `models.TRANSITIONS`: `rotation` (exactly normal by
        construction) or `mlp` (kept normal by the penalty).
      transition_layers: number of rotation layers, or of hidden layers of the MLP. A
        rotation of one layer never changes the radius of each of its pairs; two mix.
      transition_hidden: width of the transition's hidden layers.
      refresh: share s of noise in a step, `sqrt(1 - s^2) z + s noise`.
      convolution_dtype: in which the convolutions of generator and encoder compute.
        All else is float32: in the discriminator, differences of logits for the
        gradient penalty would be lost in rounding. (The penalties of the critics are
        exact, so `critic_dtype` may be bfloat16.)
    """

    resolution: int = number(64, least=8)
    latent_size: int = number(64, least=4)
    generator: str = "field"
    generator_hidden: int = number(256, least=0)
    generator_channels: tuple[int, ...] = number((128, 96, 64), least=1)
    generator_background: bool = True
    feature_size: int = number(32, least=8)
    feature_channels: int = number(32, least=1)
    head_hidden: int = number(32, least=1)
    flow_layers: int = number(0, least=0)
    flow_hidden: int = number(128, least=1)
    pixel_norm: bool = True
    discriminator_channels: tuple[int, ...] = number((32, 64, 128), least=1)
    discriminator_code: int = number(128, least=1)
    discriminator_hidden: int = number(128, least=1)
    discriminator_time: Literal["recurrent", "shift"] = "shift"
    still_channels: tuple[int, ...] = number((64, 96, 128, 192), least=1)
    still_blocks: tuple[int, ...] = number((0, 1, 1, 1), least=0)
    still_group: int = number(4, least=1)
    motion_size: int = number(32, least=8)
    motion_channels: tuple[int, ...] = number((64, 96, 128), least=1)
    motion_blocks: tuple[int, ...] = number((0, 1, 1), least=0)
    critic_dtype: Literal["float32", "bfloat16"] = "float32"
    encoder_channels: tuple[int, ...] = number((64, 96, 128), least=1)
    encoder_hidden: int = number(256, least=1)
    transition: str = "rotation"
    transition_layers: int = number(3, least=1)
    transition_hidden: int = number(128, least=1)
    refresh: float = number(0.0, least=0, below=1)
    convolution_dtype: Literal["float32", "bfloat16"] = "float32"

    def _check(self) -> None:
        if self.latent_size % 4:
            raise ValueError(
                f"model.latent_size must be a multiple of 4, not {self.latent_size}"
            )
        self.check_layers("generator")

    @property
    def any_size(self) -> bool:
        """Whether the generator draws frames of any size, and windows of them."""
        return self.generator != "convolution"

    def picture_size(self, size: int | None, *, window: bool = False) -> int:
        """Returns the height and width of a picture, `resolution` for None.

        Args:
          size: in pixels, or None.
          window: whether the picture is a part of a frame.

        Raises:
          ValueError: the generator does not draw it.
        """
        own = self.resolution
        size = own if size is None else size
        if size < 1:
            raise ValueError(f"a picture has 1 pixel at least, not {size}")
        if self.any_size or (size == own and not window):
            return size
        what = "windows" if window else f"{size} pixels"
        raise ValueError(
            f"the generator {self.generator} of these weights draws whole frames of "
            f"{own} pixels only, not {what}"
        )

    def check_layers(self, network: str) -> None:
        """Checks that the layers of a network lead from its largest size to 4x4.

        That is the size of a frame, or of the map of features of a `field`.

        Raises:
          ValueError: they do not.
        """
        channels = getattr(self, f"{network}_channels")
        blocks = getattr(self, f"{network}_blocks", (0,) * len(channels))
        if len(blocks) != len(channels):
            raise ValueError(
                f"model.{network}_blocks must have {len(channels)} entries as "
                f"model.{network}_channels, not {len(blocks)}"
            )
        largest = "resolution"
        if network == "motion":
            largest = "motion_size"
        elif (network, self.generator) == ("generator", "field"):
            largest = "feature_size"
        try:
            strides(getattr(self, largest), len(channels))
        except ValueError as error:
            raise ValueError(
                f"model.{network}_channels do not fit model.{largest}: {error}"
            ) from None


@dataclasses.dataclass(frozen=True)
class LossConfig(Checked, section="loss"):
    """Terms of the two losses; a weight of zero switches a term off at no cost.

    Attributes:
      adversary: a key of `training.adversarial.ADVERSARIES`: `discriminator` (one
        network for whole clips, as the original) or `critics` (a still critic for
        single frames, a motion critic for short clips).
      adversarial: a key of `losses.ADVERSARIAL`: `relativistic` (R3GAN) or `bce` (the
        original GAN).
      adversarial_weight: weight of the adversarial term in the generator's loss.
      adversarial_start_step: first step with the adversarial term, so that the
        encoder's terms can train the generator first.
      adversarial_steps: length of the window, drawn anew in each step, that the
        discriminator sees of each clip; 0 for the whole clip.
      adversarial_shift: largest distance in pixels by which the clips that the
        discriminator sees are moved, down and right, drawn anew in each step.
      gradient_penalty: how the gradient penalty is computed: `exact` by double
        backward, `finite_difference` from D(clip + noise) - D(clip), or `none`.
      gradient_penalty_weight: gamma of gamma / 2 |dD/dclip|^2, on real and on fake.
      gradient_penalty_noise: standard deviation of that noise, in units of [-1, 1].
      critic_lead_steps: number of first steps in which the critics learn, but do not
        train the generator yet.
      critic_flip: whether half of the windows and clips are mirrored for the critics,
        real and generated ones alike.
      still_weight: weight of the still critic's term in the adversarial term.
      still_penalty_weight: gamma of its gradient penalties, at the start.
      still_far: share of its generated windows whose latents come from carried lamps,
        the others from N(0, I).
      motion_weight: weight of the motion critic's term in the adversarial term.
      motion_penalty_weight: gamma of its gradient penalties, at the start.
      motion_clips: number of clips of a step that it sees, film and generated each.
      motion_frames: number of frames of such a clip.
      motion_spacing: largest distance of two of its frames, in model steps; each clip
        has its own, from 1 up, short ones more often.
      critic_penalty_scale: gamma ends at this share, after a cosine.
      critic_penalty_share: share of windows and clips on which penalties are computed
        in a step. They cost as much as all else, and their mean over a part of a batch
        has the same expectation (compare lazy regularisation, StyleGAN2).
      normality_weight: weight of the normality penalty on the latents of a rollout.
      normality_lamps: number of lamps whose latents enter the penalty, those of the
        batch among them; 0 for the batch alone. Their latents cost nearly nothing, and
        the moments of a few lamps differ from those of N(0, I) even where all is well.
      reset_probability: probability that a carried latent starts anew from N(0, I).
      encoder_scale: the weights of the encoder's terms end at this share, after a
        cosine.
      reconstruction_weight: weight of `reconstruction`.
      window_weight: weight of `window`.
      slope_weight: weight of `slope`.
      rollout_weight: weight of `rollout`.
      change_weight: weight of `change`.
      code_divergence_weight: weight of `code_divergence`.
      code_normality_weight: weight of `code_normality`.
      flow_weight: weight of `flow`.
      extra_weights: pairs (name, weight) of terms that were added to `losses.TERMS` and
        have no field here.
      rollout_steps: length of the rollout from the first code, less than the clip's.
      rollout_frames: length of the window of that rollout, drawn anew in each step,
        that is decoded; at least 2.
    """

    adversary: str = "discriminator"
    adversarial: Literal["relativistic", "bce"] = "relativistic"
    adversarial_weight: float = number(1.0, least=0)
    adversarial_start_step: int = number(0, least=0)
    adversarial_steps: int = number(0, least=0)
    adversarial_shift: int = number(0, least=0)
    gradient_penalty: Literal["exact", "finite_difference", "none"] = (
        "finite_difference"
    )
    gradient_penalty_weight: float = number(1.0, least=0)
    gradient_penalty_noise: float = number(0.05, above=0)
    critic_lead_steps: int = number(0, least=0)
    critic_flip: bool = False
    still_weight: float = number(1.0, least=0)
    still_penalty_weight: float = number(1.0, least=0)
    still_far: float = number(0.0, least=0, most=1)
    motion_weight: float = number(1.0, least=0)
    motion_penalty_weight: float = number(1.0, least=0)
    motion_clips: int = number(8, least=1)
    motion_frames: int = number(4, least=2)
    motion_spacing: int = number(6, least=1)
    critic_penalty_scale: float = number(0.1, least=0)
    critic_penalty_share: float = number(0.125, above=0, most=1)
    normality_weight: float = number(0.1, least=0)
    normality_lamps: int = number(0, least=0)
    reset_probability: float = number(0.5, least=0, most=1)
    encoder_scale: float = number(1.0, least=0, most=1)
    reconstruction_weight: float = number(0.0, least=0, of_codes=True)
    window_weight: float = number(0.0, least=0, of_codes=True)
    slope_weight: float = number(0.0, least=0, of_codes=True)
    rollout_weight: float = number(0.0, least=0, of_codes=True)
    change_weight: float = number(0.0, least=0, of_codes=True)
    code_divergence_weight: float = number(0.0, least=0, of_codes=True)
    code_normality_weight: float = number(0.0, least=0, of_codes=True)
    flow_weight: float = number(0.0, least=0, of_codes=True)
    extra_weights: tuple[tuple[str, float], ...] = ()
    rollout_steps: int = number(8, least=2)
    rollout_frames: int = number(4, least=2)

    @property
    def uses_adversary(self) -> bool:
        """Whether a discriminator, or critics, are trained."""
        return self.adversarial_weight > 0

    @property
    def critic_names(self) -> tuple[str, ...]:
        """The critics that have a weight."""
        return tuple(
            name for name in ("still", "motion") if getattr(self, f"{name}_weight") > 0
        )

    def num_carried(self, num_windows: int) -> int:
        """Returns how many of the generated windows are of carried lamps."""
        return round(self.still_far * num_windows)

    def _check(self) -> None:
        if self.rollout_frames > self.rollout_steps:
            raise ValueError(
                f"loss.rollout_frames must be at most loss.rollout_steps "
                f"({self.rollout_steps}), not {self.rollout_frames}"
            )


# The film trains the generator by the encoder's terms alone: the quickest way to clear
# pictures and true motion on a CPU. A rotation needs no penalty, codes do.
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
class OptimizerConfig(Checked, section="optimizer"):
    """Optimisers of generator and discriminator or critics.

    Attributes:
      name: `adam` or `sgd`.
      learning_rate: of the generator, transition and encoder, at the start.
      discriminator_learning_rate: of the discriminator, at the start.
      still_learning_rate: of the still critic, at the start.
      motion_learning_rate: of the motion critic, at the start.
      final_learning_rate_scale: all end at this share, after a cosine.
      warmup_steps: steps of linear warm-up of all.
      b1: Adam's decay of the mean gradient.
      b2: Adam's decay of the mean squared gradient. The critics have this one, and no
        mean gradient (b1 is 0).
      gradient_clip: largest global norm of a gradient; 0 for no limit.
      frozen: the generator's side keeps parameters as they are whose name begins with
        one of these, as `encoder` or `generator/trunk/Dense`.
      ema_decay: decay of the averaged generator that is rendered.
      ema_half_life: half-life of that average in clips and windows, so that it does not
        depend on the size of a batch; 0 for `ema_decay`.
    """

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = number(1e-3, least=0)
    discriminator_learning_rate: float = number(3e-4, least=0)
    still_learning_rate: float = number(2e-4, least=0)
    motion_learning_rate: float = number(2e-4, least=0)
    final_learning_rate_scale: float = number(0.1, least=0)
    warmup_steps: int = number(0, least=0)
    b1: float = number(0.9, least=0, below=1)
    b2: float = number(0.99, least=0, below=1)
    gradient_clip: float = number(0.0, least=0)
    frozen: tuple[str, ...] = ()
    ema_decay: float = number(0.998, least=0, below=1)
    ema_half_life: int = number(0, least=0)


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Checked, section="training"):
    """Length of the run and what it writes.

    Attributes:
      num_steps: training steps.
      seed: of parameters, latents and the order of clips.
      clips_at_once: clips of a microbatch of the discriminator, a divisor of the batch;
        0 for as many as suit the machine.
      log_every: steps between scalars.
      sample_every: steps between pictures.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: number of latest checkpoints kept, beside the best.
    """

    num_steps: int = number(20_000, least=1)
    seed: int = number(0, least=0)
    clips_at_once: int = number(0, least=0)
    log_every: int = number(50, least=1)
    sample_every: int = number(1_000, least=1)
    checkpoint_every: int = number(1_000, least=1)
    keep_checkpoints: int = number(3, least=1)


@dataclasses.dataclass(frozen=True)
class Phase(Checked):
    """A later part of a run, from the weights of the part before, with its own losses.

    Data and networks stay those of the run.

    Attributes:
      loss: terms of the losses.
      optimizer: optimisers, which start anew.
      training: length and seed.
    """

    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """A whole run: data, networks, losses, optimisers, schedule.

    Attributes:
      data: film and clips.
      model: networks.
      loss: terms of the losses.
      optimizer: optimisers.
      training: length and seed.
      then: phases that follow, in their order.
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    then: tuple[Phase, ...] = ()

    def phases(self) -> tuple["Config", ...]:
        """Returns one config for each phase, none of which has phases after it."""
        first = dataclasses.replace(self, then=())
        return (
            first,
            *(
                dataclasses.replace(
                    first,
                    loss=phase.loss,
                    optimizer=phase.optimizer,
                    training=phase.training,
                )
                for phase in self.then
            ),
        )

    def _check(self) -> None:
        for phase, prefix in (
            (self, ""),
            *((phase, f"then[{index}].") for index, phase in enumerate(self.then)),
        ):
            try:
                _check_phase(self.data, self.model, phase)
            except ValueError as error:
                raise ValueError(f"{prefix}{error}") from None


def _check_phase(data: DataConfig, model: ModelConfig, phase: Any) -> None:
    loss, length = phase.loss, data.clip_length
    if loss.uses_adversary and loss.adversary == "critics":
        _check_critics(data, model, loss)
    elif loss.uses_adversary:
        model.check_layers("discriminator")
    if loss.adversarial_steps > length:
        raise ValueError(
            f"loss.adversarial_steps must be at most data.clip_length ({length}), not "
            f"{loss.adversarial_steps}"
        )
    if _weighs_codes(loss):
        model.check_layers("encoder")
        if loss.rollout_steps >= length:
            raise ValueError(
                f"loss.rollout_steps must be below data.clip_length ({length}), not "
                f"{loss.rollout_steps}"
            )
    group = phase.training.clips_at_once
    if group and data.batch_size % group:
        raise ValueError(
            f"training.clips_at_once must divide data.batch_size ({data.batch_size}), "
            f"not {group}"
        )


def _check_critics(data: DataConfig, model: ModelConfig, loss: LossConfig) -> None:
    for name in loss.critic_names:
        model.check_layers(name)
    if not loss.critic_names:
        raise ValueError("loss.still_weight or loss.motion_weight must be above 0")
    if loss.critic_flip and not data.horizontal_flip:
        raise ValueError("loss.critic_flip is for film with data.horizontal_flip")
    if loss.still_weight and (not data.windows or data.windows % model.still_group):
        raise ValueError(
            "the still critic needs data.windows, a multiple of model.still_group "
            f"({model.still_group}), not {data.windows}"
        )
    if not loss.motion_weight:
        return
    if model.resolution % model.motion_size:
        raise ValueError(
            f"model.motion_size must divide model.resolution ({model.resolution}), "
            f"not {model.motion_size}"
        )
    if loss.motion_clips > data.batch_size:
        raise ValueError(
            f"loss.motion_clips must be at most data.batch_size ({data.batch_size}), "
            f"not {loss.motion_clips}"
        )
    span = (loss.motion_frames - 1) * loss.motion_spacing + 1
    if span > data.clip_length:
        raise ValueError(
            f"loss.motion_frames and loss.motion_spacing span {span} steps, but "
            f"data.clip_length is {data.clip_length}"
        )


def _weighs_codes(loss: LossConfig) -> bool:
    """Whether a term that `LossConfig` has a field for is a function of codes."""
    return any(
        getattr(loss, field.name) > 0
        for field in dataclasses.fields(loss)
        if field.metadata.get("of_codes")
    )


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a config dataclass as nested dicts, ready for JSON or a ConfigDict."""
    values = dataclasses.asdict(config)
    if isinstance(config, Config):
        values = {_VERSION_KEY: FORMAT_VERSION} | values
    return values


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """Returns the config dataclass `kind` made from `values`, defaults filled in.

    A `Config` of an older format version is brought up to date.

    Raises:
      ValueError: a key is not a field of its dataclass, a value has another type or is
        out of range, or the format is newer than this version of duralava.
    """
    if kind is Config and isinstance(values, Mapping):
        values = _up_to_date(values)
    return checked.from_dict(kind, values)


def _up_to_date(values: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(values)
    # A dict that names no version is of version 1, or gives only some of the fields.
    version = values.pop(_VERSION_KEY, 1)
    if version not in range(1, FORMAT_VERSION + 1):
        raise ValueError(
            f"the config has format version {version}; this duralava reads versions "
            f"up to {FORMAT_VERSION}"
        )
    if version == 1:
        for section, names in _MOVED_TO_ARGUMENTS.items():
            if isinstance(values.get(section), Mapping):
                values[section] = {
                    name: value
                    for name, value in values[section].items()
                    if name not in names
                }
    if version < 3 and isinstance(values.get("model"), Mapping):
        values["model"] = with_generator(values["model"])
    return values


def with_generator(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the dict of a `ModelConfig`, brought up to date from any version."""
    return {"generator": _ONLY_GENERATOR} | dict(model)
