import base64
import re
import zlib

import numpy as np
import pytest

from duralava.live import kitty

COMMAND = re.compile("\x1b_G(.*?)(?:;(.*?))?\x1b\\\\", re.DOTALL)


def commands(text):
    """Returns the keys and the payload of each command, as the protocol has them."""
    return [
        (dict(key.split("=") for key in keys.split(",")), payload or "")
        for keys, payload in COMMAND.findall(text)
    ]


@pytest.mark.parametrize("size", [4, 160])
def test_a_terminal_gets_each_pixel(size):
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    sent = commands(kitty.show(frame, 2, columns=30, rows=15))
    keys, _ = sent[0]
    assert {name: keys[name] for name in "aifsvocrCq"} == {
        **{"a": "T", "i": "2", "f": "24", "s": str(size), "v": str(size)},
        **{"o": "z", "c": "30", "r": "15", "C": "1", "q": "2"},
    }
    assert [keys["m"] for keys, _ in sent] == ["1"] * (len(sent) - 1) + ["0"]
    assert all(len(payload) <= 4096 for _, payload in sent)
    assert all(len(payload) % 4 == 0 for _, payload in sent)
    pixels = zlib.decompress(base64.b64decode("".join(part for _, part in sent)))
    np.testing.assert_array_equal(
        np.frombuffer(pixels, np.uint8).reshape(size, size, 3), frame
    )


@pytest.mark.parametrize(
    ("reply", "complete", "supported"),
    [
        ("", False, False),
        ("\x1b[?62;4c", True, False),
        ("\x1b_Gi=1;OK\x1b\\", False, True),
        ("\x1b_Gi=1;OK\x1b\\\x1b[?62;c", True, True),
        ("\x1b_Gi=1;ENOTSUPPORTED:no\x1b\\\x1b[?62;c", True, False),
        ("q\x1b[?1;2c", True, False),
    ],
)
def test_the_reply_says_whether_pictures_are_shown(reply, complete, supported):
    assert kitty.is_answer(reply) == complete
    assert kitty.is_supported(reply) == supported
