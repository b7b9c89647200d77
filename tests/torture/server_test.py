"""The quick form of the attacks on a live server."""

import asyncio
import contextlib
import os

import pytest
import tiny
from torture import server as attacks

from duralava.live import server
from duralava.live.limits import Limits
from duralava.live.show import Show

LIMITS = Limits(connections=100, per_address=30, seconds=1.0)


@pytest.fixture(scope="module")
def lamps():
    return {"tiny": tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.3)}


@pytest.mark.parametrize(
    "attack",
    [
        lambda target: attacks.connects(target, 60),
        lambda target: attacks.silent(target, 10),
        lambda target: attacks.slow(target, 10, seconds=2),
        lambda target: attacks.floods(target, 1_000),
        lambda target: attacks.malformed(target, 200),
        lambda target: attacks.soak(target, 3, seconds=4),
    ],
    ids=["connects", "silent", "slow", "floods", "malformed", "soak"],
)
def test_a_server_stays_up(lamps, attack, caplog, capfd):
    async def test():
        show = Show(lamps, fps=30, seed=0)
        async with server.serving(show, attacks.HOST, 0, limits=LIMITS) as (_, port):
            running = asyncio.create_task(show.run())
            target = attacks.Target(
                port, LIMITS.seconds, LIMITS.per_address, os.getpid()
            )
            await attack(target)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(test())
    attacks.read_log(caplog.text + "".join(capfd.readouterr()))
