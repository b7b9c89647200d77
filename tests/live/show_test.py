import asyncio
import contextlib
import threading

import jax
import pytest
import tiny

from duralava.live.show import Show


@pytest.fixture
def compiling():
    """Names of the threads that compile something, in order."""
    threads = []

    def listen(event, seconds, **_):
        if event.endswith("backend_compile_duration"):
            threads.append(threading.current_thread().name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield threads
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def show(request):
    """A show of two lamps that share no programs, whose programs are not compiled."""
    jax.clear_caches()
    field = tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.3)
    convolution = tiny.lamp(with_encoder=False, transition_layers=2, refresh=0.3)
    large = tiny.lamp(with_encoder=False, transition_layers=2, latent_size=16)
    lamps = {"field": field, "convolution": convolution, "large": large}
    return Show(lamps, fps=50, seed=3)


async def until(show, holds, *, features=True):
    """Runs a show until `holds(updates)`; returns all updates of a viewer."""
    running = asyncio.create_task(show.run())
    updates = []
    async with (
        asyncio.timeout(60),
        contextlib.aclosing(show.updates(features=features)) as new,
    ):
        async for update in new:
            updates.append(update)
            if holds(updates):
                break
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return updates


def test_nothing_is_compiled_once_viewers_can_come(show, compiling):
    async def test():
        for requests in (
            {"push": [0.5, 0.5]},
            {"push": [0, 0.5]},
            {"push": [0.5, 1]},
            {"push": [1, 0], "speed": 2},
            {"speed": 10, "seed": 2**31 - 1},
            {"seed": 0},
            {"latent": [0, 0.5, 1, -1, 2, 0, 0, 0]},
            {"latent": None},
            {"checkpoint": "field"},
        ):
            for features in (True, False):
                show.request(requests)
                await until(show, lambda all_: len(all_) == 5, features=features)

    asyncio.run(test())
    assert compiling == []


def test_another_checkpoint_is_compiled_beside_the_lamp(show, compiling):
    show.request({"checkpoint": "convolution", "speed": 3})
    updates = asyncio.run(until(show, lambda all_: is_of(all_, "convolution")))
    assert set(compiling) == {"loader_0"}
    # Until then, the old lamp runs on, with the other requests.
    statuses = [update.status for update in updates]
    loading = {(s.checkpoint, s.loading, s.speed) for s in statuses if s.loading}
    assert loading == {("field", "convolution", 3)}
    assert statuses[-1].loading is None
    moments = {update.picture[8:16] for update in updates}
    assert len(moments) == len(updates) > 3


def test_the_newest_checkpoint_is_shown(show):
    show.request({"checkpoint": "convolution"})
    asyncio.run(until(show, lambda all_: all_[-1].status.loading))
    show.request({"checkpoint": "field"})
    updates = asyncio.run(until(show, lambda all_: not all_[-1].status.loading))
    assert {update.status.checkpoint for update in updates} == {"field"}


def test_a_latent_for_the_lamp_before_is_left_out(show):
    latent = [0.5] * show._lamp.config.latent_size
    show.request({"checkpoint": "large"})
    asyncio.run(until(show, lambda all_: is_of(all_, "large")))
    # As if it had been checked just before the lamp changed.
    show._requests["latent"] = latent
    asyncio.run(until(show, lambda all_: len(all_) == 5))


def is_of(updates, checkpoint):
    return updates[-1].status.checkpoint == checkpoint
