"""The original duralava in Keras: the baseline of the benchmarks.

The networks, losses and training step are those of the original (a Keras script by one
author), optimised for speed: the convolutions process the frames of all steps in one
call, only the recurrent parts are loops, and a step is one `tf.function` in which a
single forward pass serves both updates.

Needs the extra `bench`. No other module imports TensorFlow.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

LATENT = 64
MEMORY = 128
_MOMENTS = (1.0, 0.0, 3.0)  # of N(0, 1): standard deviation, skewness, kurtosis


def generator() -> keras.Model:
    """Returns the network f32[N, Z] -> f32[N, 64, 64, 3] in [0, 1]."""
    layers = [keras.Input((LATENT,)), keras.layers.Reshape((1, 1, LATENT))]
    for index, features in enumerate((256, 128, 64, 32)):
        layers += [
            keras.layers.Conv2DTranspose(
                features,
                4,
                strides=2 if index else 1,
                padding="same" if index else "valid",
                use_bias=False,
            ),
            keras.layers.BatchNormalization(),
            keras.layers.LeakyReLU(0.2),
        ]
    output = keras.layers.Conv2DTranspose(
        3, 4, strides=2, padding="same", activation="sigmoid"
    )
    return keras.Sequential([*layers, output])


def frame_encoder() -> keras.Model:
    """Returns the discriminator's network f32[N, 64, 64, 3] -> f32[N, 128]."""
    layers = [keras.Input((64, 64, 3))]
    for index, features in enumerate((32, 64, 128, 256)):
        layers.append(
            keras.layers.Conv2D(
                features, 4, strides=2, padding="same", use_bias=index == 0
            )
        )
        if index:
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.LeakyReLU(0.2))
    layers += [keras.layers.Conv2D(MEMORY, 4, strides=4), keras.layers.Flatten()]
    return keras.Sequential(layers)


def dense(inputs: int, *features: int) -> keras.Model:
    """Returns a dense network with leaky rectifiers between its layers."""
    layers = [keras.Input((inputs,))]
    for size in features[:-1]:
        layers += [keras.layers.Dense(size), keras.layers.LeakyReLU(0.2)]
    return keras.Sequential([*layers, keras.layers.Dense(features[-1])])


def standardise(latents: tf.Tensor) -> tf.Tensor:
    """Normalises latents to mean 0 and standard deviation 1 over the whole batch."""
    mean, variance = tf.nn.moments(latents, axes=[0, 1])
    return (latents - mean) * tf.math.rsqrt(variance + 1e-6)


def normality_penalty(latents: tf.Tensor) -> tf.Tensor:
    """Returns the moment penalty of latents f32[T, B, Z], averaged over the steps."""
    mean, variance = tf.nn.moments(latents, axes=[1, 2], keepdims=True)
    std = tf.sqrt(variance + 1e-6)
    standard = (latents - mean) / std
    moments = [
        tf.squeeze(std, [1, 2]),
        tf.reduce_mean(standard**3, axis=[1, 2]),
        tf.reduce_mean(standard**4, axis=[1, 2]),
    ]
    penalty = tf.squeeze(mean, [1, 2]) ** 2
    for moment, normal in zip(moments, _MOMENTS, strict=True):
        penalty += (moment - normal) ** 2
    return tf.reduce_mean(penalty)


class Original:
    """The networks of the original, its training step and its live loop."""

    def __init__(self, num_steps: int = 34_000) -> None:
        self.generator = generator()
        self.transition = dense(LATENT, 512, 512, LATENT)
        self.encoder = frame_encoder()
        self.memory = dense(2 * MEMORY, 512, 512, MEMORY)
        self.head = dense(MEMORY, 512, 1)
        schedule = keras.optimizers.schedules.CosineDecay(1e-3, num_steps)
        self._optimizers = [keras.optimizers.SGD(schedule) for _ in range(2)]
        self._weights = [
            [w for model in models for w in model.trainable_variables]
            for models in (
                (self.generator, self.transition),
                (self.encoder, self.memory, self.head),
            )
        ]
        for optimizer, weights in zip(self._optimizers, self._weights, strict=True):
            optimizer.build(weights)

    @tf.function
    def train_step(
        self, clips: tf.Tensor, latents: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Updates both networks on clips u8[T, B, 64, 64, 3].

        Args:
          clips: real clips.
          latents: f32[B, Z], first latents of the generated clips.

        Returns:
          The loss of the generator, the loss of the discriminator, and the first
          latents of the next generated clips.
        """
        num_steps, batch = clips.shape[:2]
        real = tf.cast(tf.reshape(clips, (-1, 64, 64, 3)), tf.float32) / 255.0
        with tf.GradientTape(persistent=True) as tape:
            trajectory = []
            for _ in range(num_steps):
                trajectory.append(latents)
                latents = standardise(self.transition(latents, training=True))
            trajectory = tf.stack(trajectory)
            fake = self.generator(tf.reshape(trajectory, (-1, LATENT)), training=True)
            codes = [self.encoder(frames, training=True) for frames in (real, fake)]
            codes = [tf.reshape(c, (num_steps, batch, MEMORY)) for c in codes]
            codes = tf.concat(codes, axis=1)
            memory, memories = tf.zeros((2 * batch, MEMORY)), []
            for step in range(num_steps):
                memory = self.memory(tf.concat([codes[step], memory], axis=1))
                memories.append(memory)
            logits = self.head(tf.reshape(tf.stack(memories), (-1, MEMORY)))
            logits = tf.reshape(logits, (num_steps, 2, batch))
            of_real, of_fake = logits[:, 0], logits[:, 1]
            for_discriminator = tf.reduce_mean(
                tf.nn.softplus(-of_real) + tf.nn.softplus(of_fake)
            )
            for_generator = tf.reduce_mean(tf.nn.softplus(-of_fake))
            for_generator += 0.1 * normality_penalty(trajectory)
        losses = (for_generator, for_discriminator)
        for loss, weights, optimizer in zip(
            losses, self._weights, self._optimizers, strict=True
        ):
            optimizer.apply_gradients(
                zip(tape.gradient(loss, weights), weights, strict=True)
            )
        fresh = tf.random.normal(latents.shape)
        reset = tf.random.uniform((batch, 1)) < 0.5
        return *losses, tf.where(reset, fresh, latents)

    def live_step(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates a frame of the first lamp and advances all 32 lamps.

        Showing one lamp needs the whole batch, because the transition normalises
        latents over their batch.
        """
        frame = self.generator(latents[:1], training=False)
        return frame, standardise(self.transition(latents, training=False))


def film_live(
    step: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]], num_frames: int
) -> np.ndarray:
    """Runs the live loop and returns its frames u8[N, 64, 64, 3]."""
    latents, frames = tf.random.normal((32, LATENT)), []
    for _ in range(num_frames):
        frame, latents = step(latents)
        frames.append((frame[0].numpy() * 255).astype(np.uint8))
    return np.stack(frames)
