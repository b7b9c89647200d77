import dataclasses
import functools

import numpy as np
import onnxruntime
import pytest
import tiny
from random_params import random_params

from duralava import models
from duralava.export import onnx_networks
from duralava.export.onnx_graph import Graph


def onnx_transition(params, config):
    """Returns (latents, noise) -> latents, computed by ONNX Runtime."""
    graph = Graph()
    moved = onnx_networks.transition(graph, params, "latent", "noise", config=config)
    shape = ("n", config.latent_size)
    model = graph.to_model(
        "transition",
        {"latent": shape, "noise": shape},
        {"moved": (moved, shape)},
        description="",
        metadata={},
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda latent, noise: session.run(None, {"latent": latent, "noise": noise})


@pytest.mark.parametrize(
    "name", sorted(models.TRANSITIONS.keys() | onnx_networks.TRANSITIONS.keys())
)
def test_each_transition_is_the_same_in_onnx_or_an_error(name, arrays):
    config = tiny.model(transition=name, refresh=0.3)
    params = random_params(
        functools.partial(models.init_transition, config=config), scale=0.3
    )
    if name not in onnx_networks.TRANSITIONS:
        with pytest.raises(ValueError, match=f"{name} cannot be exported to ONNX"):
            onnx_transition(params, config)
        return
    latents, noise = arrays(3, config.latent_size)
    (moved,) = onnx_transition(params, config)(latents, noise)
    expected = models.transition(params, latents, noise, config=config)
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-5)
    assert np.abs(moved - latents).max() > 0.1


def test_every_generator_has_a_writer():
    assert onnx_networks.GENERATORS.keys() == models.GENERATORS.keys()


def test_a_generator_without_a_writer_is_an_error_that_lists_those_with_one():
    with pytest.raises(
        ValueError,
        match="generator oil cannot be exported to ONNX; field, convolution can",
    ):
        onnx_networks.generate(
            Graph(), {}, "latent", size=16, config=tiny.model(generator="oil")
        )


def test_a_transition_without_a_writer_is_an_error_that_lists_those_with_one():
    with pytest.raises(
        ValueError,
        match="transition drift cannot be exported to ONNX; rotation, mlp can",
    ):
        onnx_transition({}, tiny.model(transition="drift"))


def test_a_transition_registered_from_outside_is_exported(monkeypatch, arrays):
    """Each latent moves a fixed share of the way towards 0."""

    def init(_, config):
        return {}

    def move(params, config):
        return lambda latents: latents / config.transition_layers

    def write(graph, params, latents, config):
        layers = graph.constant(config.transition_layers)
        return graph.add("Div", latents, layers)

    monkeypatch.setitem(models.TRANSITIONS, "decay", models.Transition(init, move))
    monkeypatch.setitem(onnx_networks.TRANSITIONS, "decay", write)
    config = tiny.model(transition="decay", transition_layers=4)
    latents, noise = arrays(2, config.latent_size)
    (moved,) = onnx_transition({}, config)(latents, noise)
    np.testing.assert_allclose(moved, latents / 4)
    expected = models.transition({}, latents, noise, config=config)
    np.testing.assert_allclose(moved, expected)


@pytest.mark.parametrize("generator", ["field", "convolution"])
def test_a_flow_is_the_same_in_onnx(generator, arrays):
    config = dataclasses.replace(
        tiny.FIELD, generator=generator, flow_layers=2, flow_hidden=8
    )
    params = random_params(
        functools.partial(models.init_generator, config=config), scale=0.3
    )
    latents, _ = arrays(2, config.latent_size)
    graph = Graph()
    frame = onnx_networks.generate(graph, params, "latent", size=16, config=config)
    model = graph.to_model(
        "generate",
        {"latent": ("n", config.latent_size)},
        {"frame": (frame, ("n", 16, 16, 3))},
        description="",
        metadata={},
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = models.generate(params, latents, config=config)
    (found,) = session.run(None, {"latent": latents})
    np.testing.assert_allclose(found, expected, atol=1e-5)
