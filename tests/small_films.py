"""Writes small videos with the properties that cameras and screens give them."""

from fractions import Fraction

import av
import numpy as np


def write_video(
    path,
    pictures,
    *,
    times=None,
    rate=10,
    codec="libx264",
    pixels="yuv420p",
    format="rgb24",
    options=None,
    space=None,
    **properties,
):
    """Writes pictures [H, W, C] at times in seconds, by default at an even rate.

    `space` is the colour space that they are converted to; it is not stated in the
    file. `properties` are of the encoder, such as tags.
    """
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "2"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        for name, value in properties.items():
            setattr(stream.codec_context, name, value)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format)
            frame = frame.reformat(format=pixels, dst_colorspace=space)
            for name in ("colorspace", "color_trc", "color_primaries"):
                setattr(frame, name, properties.get(name, 2))
            if times is not None:
                frame.pts = round(1000 * times[index])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
