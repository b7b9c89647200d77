import base64
import io
import pathlib

import numpy as np
import pytest
import tiny
from lamp_page import opened_modules
from PIL import Image

from duralava import live, models, weights
from duralava.live import feature_maps

STATIC = pathlib.Path(live.__file__).parent / "static"
# Draws a map or a frame on a new canvas, and returns it as PNG.
DRAW = """
  const { ShaderPainter, FramePainter } = await import("./head.js");
  const { decodeBytes } = await import("./themes.js");
  const { width, height, layout, theme, head, share, shader = true } = given;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const table = theme && { size: theme.size, data: decodeBytes(theme.data) };
  const painter = new (shader ? ShaderPainter : FramePainter)(canvas);
  const picture = (text) => {
    if (head) {
      const { buffer } = decodeBytes(text);
      const Values = given.half ? Uint16Array : Float32Array;
      return { data: new Values(buffer), head };
    }
    return new ImageData(new Uint8ClampedArray(decodeBytes(text)), given.columns);
  };
  const [first, second] = given.pictures.map(picture);
  painter.paint({ first, second, share, theme: table, layout });
  return canvas.toDataURL().split(",")[1];
"""


@pytest.fixture(scope="module")
def run_script(browser):
    with opened_modules(browser, STATIC) as run:
        yield run


@pytest.fixture(scope="module")
def shipped():
    return feature_maps.fill_vectors(weights.load())


def whole(side):
    """A canvas of the picture's size."""
    layout = {"side": side, "left": 0, "top": 0}
    return {"width": side, "height": side, "layout": layout}


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def draw(run_script, pictures, *, share=0.0, **given):
    """Returns the canvas as i16[H, W, 4]."""
    texts = [encoded(one) for one in pictures]
    png = run_script(DRAW, {"pictures": texts, "share": share} | given)
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGBA")).astype(np.int16)


def draw_features(run_script, lamp, features, *, half=True, **given):
    pictures = np.asarray(features, np.float16 if half else np.float32)
    head = feature_maps.describe_head(lamp)
    return draw(run_script, pictures, half=half, head=head, **given)


def features_of(lamp, latents):
    return models.features(lamp.params["generator"], latents, config=lamp.config)


def grey_levels(one, other):
    return np.abs(np.int16(one) - np.int16(other)).max()


@pytest.mark.parametrize("half", [True, False], ids=["half", "single"])
@pytest.mark.parametrize("side", [97, 240])
def test_the_shader_colours_as_jax_does(run_script, shipped, side, half):
    latents = shipped.start(3).latents
    features = features_of(shipped, np.repeat(latents, 2, axis=0))
    drawn = draw_features(run_script, shipped, features, half=half, **whole(side))
    expected = shipped.generate(latents, size=side)[0]
    assert np.std(expected) > 40
    assert grey_levels(drawn[..., :3], expected) <= 2
    assert (drawn[..., 3] == 255).all()


def test_a_head_that_does_not_fill_vectors(run_script):
    lamp = tiny.lamp(of=tiny.FIELD, head_hidden=7)
    latents = tiny.normal(1, 2, 8)
    filled = feature_maps.fill_vectors(lamp)
    features = features_of(filled, latents)
    drawn = draw_features(run_script, filled, features, **whole(40))
    expected = lamp.generate(latents[0], size=40)
    assert np.std(expected) > 20
    assert grey_levels(drawn[..., :3], expected) <= 2


def test_between_two_maps_features_are_interpolated(run_script, shipped):
    _, trajectory = shipped.rollout(*shipped.start(5)[:2], num_steps=2)
    features = features_of(shipped, trajectory[:, 0])
    drawn = draw_features(run_script, shipped, features, share=0.25, **whole(80))
    mixed = 0.75 * features[0] + 0.25 * features[1]
    generator = shipped.params["generator"]
    expected = models.colour(generator, mixed, size=80, config=shipped.config)
    assert grey_levels(drawn[..., :3], models.to_uint8(expected)) <= 2


def test_a_picture_beside_and_beyond_the_canvas(run_script, shipped):
    latents = shipped.start(3).latents
    features = features_of(shipped, np.repeat(latents, 2, axis=0))
    expected = shipped.generate(latents, size=90)[0]
    wide = draw_features(
        run_script,
        shipped,
        features,
        width=131,
        height=90,
        layout={"side": 90, "left": 20, "top": 0},
    )
    assert grey_levels(wide[:, 20:110, :3], expected) <= 2
    assert not wide[:, :20].any() and not wide[:, 110:].any()
    part = draw_features(
        run_script,
        shipped,
        features,
        width=90,
        height=50,
        layout={"side": 90, "left": 0, "top": -20},
    )
    assert grey_levels(part[..., :3], expected[20:70]) <= 2


def table(size, colours):
    """Returns the table of a function of colours in [0, 1]."""
    points = np.linspace(0, 1, size)
    grid = np.stack(np.meshgrid(points, points, points, indexing="ij"), axis=-1)
    data = np.round(255 * np.clip(colours(grid), 0, 1)).astype(np.uint8)
    return {"size": size, "data": encoded(data)}


def invented(colours):
    """A theme that is linear, so that a table of any size stands for it exactly."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    return np.stack([0.2 + 0.6 * blue, 0.5 * (red + green), 1 - red], axis=-1)


@pytest.mark.parametrize("size", [2, 17])
@pytest.mark.parametrize("shader", [True, False], ids=["shader", "frames"])
def test_a_theme_changes_colours_by_its_table(run_script, size, shader):
    rgba = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    rgba[..., 3] = 255
    frame = np.repeat(np.repeat(rgba, 8, axis=0), 8, axis=1)  # which no filter changes
    given = {"columns": 64, "shader": shader, **whole(64)}
    plain = draw(run_script, [frame, frame], **given)
    themed = draw(run_script, [frame, frame], theme=table(size, invented), **given)
    centres = plain[4::8, 4::8, :3]
    assert grey_levels(centres, rgba[..., :3]) <= 1
    expected = 255 * invented(centres / 255)
    assert np.abs(themed[4::8, 4::8, :3] - expected).max() <= 2
    same = draw(run_script, [frame, frame], theme=table(size, lambda x: x), **given)
    assert grey_levels(same, plain) <= 1


@pytest.mark.parametrize("shader", [True, False], ids=["shader", "frames"])
def test_a_frame_is_enlarged(run_script, shader):
    lamp = weights.load("simulated_64")
    frame = np.asarray(lamp.generate(lamp.start(2).latents)[0])
    rgba = np.concatenate([frame, np.full((64, 64, 1), 255, np.uint8)], axis=-1)
    given = {"columns": 64, "shader": shader, **whole(192)}
    drawn = draw(run_script, [rgba, rgba], **given)[..., :3]
    bicubic = Image.fromarray(frame).resize((192, 192), Image.Resampling.BICUBIC)
    assert np.abs(drawn - np.asarray(bicubic)).mean() < 1.5
