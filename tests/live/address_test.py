import ipaddress

import numpy as np
import pyte
import pytest
import segno
from yarl import URL

from duralava.live import address


@pytest.mark.parametrize(
    ("host", "expected", "open_to_others"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080", False),
        ("::1", "http://[::1]:8080", False),
        ("192.168.1.20", "http://192.168.1.20:8080", True),
        ("fd00::7", "http://[fd00::7]:8080", True),
    ],
)
def test_one_address_is_that_of_the_page(host, expected, open_to_others):
    found = address.page_address(host, 8080)
    assert found == URL(expected)
    assert address.others_can_open(found.host) == open_to_others


@pytest.mark.parametrize(("host", "version"), [("0.0.0.0", 4), ("::", 6)])
def test_all_addresses_become_one_that_can_be_opened(host, version):
    found = address.page_address(host, 8080)
    ip = ipaddress.ip_address(found.host)
    assert ip.version == version
    assert not ip.is_unspecified
    assert found.port == 8080


def test_a_terminal_shows_the_qr_code():
    where = URL("http://192.168.1.20:8080")
    screen = pyte.Screen(60, 30)
    pyte.Stream(screen).feed(address.qr_code(where).replace("\n", "\r\n"))
    light = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}
    seen = np.array(
        [
            [light[screen.buffer[row][column].data][half] for column in range(60)]
            for row in range(30)
            for half in (0, 1)
        ]
    )
    code = segno.make_qr(str(where))
    margin = 4  # the quiet zone around the code is light
    dark = np.pad(np.array(code.matrix), margin)
    size = len(dark)
    np.testing.assert_array_equal(seen[:size, :size], 1 - dark)
    colours = {
        (screen.buffer[row][column].fg, screen.buffer[row][column].bg)
        for row in range(size // 2)
        for column in range(size)
    }
    assert colours == {("brightwhite", "black")}
