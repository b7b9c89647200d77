"""Pictures in terminals that have kitty's graphics protocol: kitty, Ghostty, WezTerm.

The protocol is described at https://sw.kovidgoyal.net/kitty/graphics-protocol.
"""

import base64
import re
import zlib

import numpy as np

QUERY = "\x1b_Gi=1,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
"""Asks whether the terminal has the protocol, and then, as every terminal answers this,
what kind it is: so that there is an answer where the first question gets none."""

DELETE_ALL = "\x1b_Ga=d,d=A,q=2\x1b\\"
_CHUNK_SIZE = 4096  # bytes of a command, the most that the protocol allows


def is_answer(reply: str) -> bool:
    """Whether the reply of a terminal to `QUERY` is complete."""
    return re.search(r"\x1b\[\?[\d;]*c", reply) is not None


def is_supported(reply: str) -> bool:
    """Whether the terminal that has sent the reply to `QUERY` shows pictures."""
    return "\x1b_Gi=1;OK\x1b\\" in reply


def show(frame: np.ndarray, image: int, *, columns: int, rows: int) -> str:
    """Returns the commands that show a frame at the cursor.

    Args:
      frame: u8[H, W, 3].
      image: its number, from 1.
      columns: width in characters.
      rows: height in characters.
    """
    height, width = frame.shape[:2]
    payload = base64.b64encode(zlib.compress(frame.tobytes(), 1)).decode()
    chunks = [
        payload[start : start + _CHUNK_SIZE]
        for start in range(0, len(payload), _CHUNK_SIZE)
    ]
    keys = (
        f"a=T,i={image},f=24,s={width},v={height},o=z,"
        f"c={columns},r={rows},C=1,q=2,"  # no move of the cursor, no replies
    )
    commands = []
    for index, chunk in enumerate(chunks):
        more = int(index < len(chunks) - 1)
        commands.append(f"\x1b_G{'' if index else keys}m={more};{chunk}\x1b\\")
    return "".join(commands)


def delete(image: int) -> str:
    """Returns the command that removes a picture, and frees its memory."""
    return f"\x1b_Ga=d,d=I,i={image},q=2\x1b\\"
