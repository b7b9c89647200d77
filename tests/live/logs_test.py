import asyncio
import logging

import pytest

from duralava.live.logs import Brief, kept_brief


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def logged(clock):
    """Returns a logger whose messages are brief, and a list of them."""
    lines = []
    logger = logging.Logger("brief")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))
    logger.addHandler(handler)
    logger.addFilter(Brief(count=3, seconds=60, clock=lambda: clock[0]))
    return logger, lines


def test_a_traceback_becomes_a_line_that_says_where(logged):
    logger, lines = logged
    try:
        int("x\n\x1b[31m\u2028\ud800")
    except ValueError:
        logger.exception("failed at %s", "a\nb")
    (line,) = lines
    assert line.isascii() and line.isprintable()
    assert line.startswith("failed at a: ValueError: invalid literal")
    assert "logs_test.py:" in line


def test_a_long_message_is_cut(logged):
    logger, lines = logged
    logger.warning("%s", "x" * 10_000)
    assert len(lines[0]) < 400


def test_of_each_kind_there_are_a_few_in_a_minute(logged, clock):
    logger, lines = logged
    for number in range(1_000):
        logger.warning("refused %d", number)
    logger.warning("another kind")
    assert lines == ["refused 0", "refused 1", "refused 2", "another kind"]
    clock[0] = 60.0
    logger.warning("refused again")
    logger.warning("refused %d", 7)
    logger.warning("refused %d", 8)
    assert lines[4:] == [
        "refused again",
        "refused 7 (and 997 more like this before)",
        "refused 8",
    ]


def test_messages_that_name_an_object_are_of_one_kind(logged):
    logger, lines = logged
    for number in range(100):
        logger.error(f"Exception in callback Connection.abort() at {number:x}")
    assert len(lines) == 3


def test_errors_that_nobody_awaits_are_brief(caplog):
    def fail():
        raise ValueError("a callback")

    async def test():
        for _ in range(50):
            asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)

    with kept_brief():
        asyncio.run(test())
    assert 0 < len(caplog.records) < 10
    assert "ValueError: a callback" in caplog.text
    assert "Traceback" not in caplog.text
    caplog.clear()
    asyncio.run(test())
    assert "Traceback" in caplog.text
