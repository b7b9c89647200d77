import pytest

from duralava.live.access import Access, Host, is_this_machine, make_token, parse_host
from duralava.live.address import page_address

OPEN = Access(allowed_hosts=frozenset({"lamp.example"}))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("lamp.example", ("lamp.example", None)),
        ("Lamp.Example:8080", ("lamp.example", 8080)),
        ("192.168.1.20:80", ("192.168.1.20", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("[fd00::7]", ("fd00::7", None)),
    ],
)
def test_a_host_has_a_name_and_a_port(text, host):
    assert parse_host(text) == Host(*host)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":80", "[::1", "::1", "a b", "a/b", "me@lamp.example", "lamp.example:"),
        *("lamp.example:x", "lamp.example:123456", "l\u00e4mp", "\ud800", "a\nb", "[]"),
    ],
)
def test_other_texts_are_no_hosts(text):
    assert parse_host(text) is None


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.3.2.1", "::1"])
def test_loopback_is_this_machine(name):
    assert is_this_machine(name)


def test_the_address_in_the_network_is_that_of_this_machine():
    assert is_this_machine(page_address("0.0.0.0", 80).host)


@pytest.mark.parametrize(
    "name",
    [
        *("evil.example", "localhost.evil.example", "192.0.2.1", "2001:db8::1"),
        *("0.0.0.0", "::", "224.0.0.1", "2130706433", "0x7f.1", ""),
    ],
)
def test_other_names_are_not_this_machine(name):
    assert not is_this_machine(name)


def test_a_name_is_refused_with_the_flag_that_allows_it():
    assert "--allowed_host=lamp.example" in Access().refusal("lamp.example:8080")
    assert OPEN.refusal("lamp.example:8080") is None
    assert OPEN.refusal("LAMP.example") is None
    assert "--allowed_host=evil.example" in OPEN.refusal("evil.example")
    assert OPEN.refusal("") is not None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8080", None),  # no browser, or not a page's request
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("lamp.example", "https://lamp.example"),  # a proxy that keeps the host
        ("127.0.0.1:8080", "https://lamp.example"),  # a proxy that does not
        ("127.0.0.1:8080", "https://lamp.example:8443"),
    ],
)
def test_its_own_page_shows_the_lamp(host, origin):
    assert OPEN.refusal_of_page(host, origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "http://lamp.example.evil.example", "null", "http://"),
        *("http://127.0.0.1", "http://127.0.0.1:3000", "http://localhost:8080"),
        *("http://[::1", "file://", "ftp://lamp.example", "lamp.example", "\ud800", ""),
    ],
)
def test_other_pages_do_not(origin):
    assert OPEN.refusal_of_page("127.0.0.1:8080", origin)


def test_a_page_behind_a_proxy_is_told_the_flag():
    refusal = Access().refusal_of_page("127.0.0.1:8080", "https://lamp.example")
    assert "--allowed_host=lamp.example" in refusal


def test_who_has_the_token_steers():
    token = make_token()
    assert token != make_token()
    access = Access(token=token)
    assert access.may_steer(token)
    for other in ("", token[:-1], token + "x", "\ud800", "l\u00e4mp"):
        assert not access.may_steer(other)
    assert Access().may_steer("")
