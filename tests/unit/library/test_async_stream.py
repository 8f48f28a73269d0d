"""A stream that is left, without any process: what it held is let go of, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from ostiary.library.async_model import AsyncStream

PATIENCE = 60


class Asked:
    """A request on its way."""

    def __init__(self) -> None:
        self.let_go_of = 0
        self.cancelled = 0

    def let_go(self) -> None:
        self.let_go_of += 1

    def cancel(self) -> None:
        self.cancelled += 1


class Open:
    """A model."""

    is_closed = False


def test_a_task_that_is_cancelled_while_it_leaves_a_stream_lets_go_of_it() -> None:
    asked = Asked()
    is_free = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(is_free.wait, PATIENCE)  # so that what is to be done has to wait for a thread

        async def leave() -> None:
            stream = AsyncStream(cast("Any", Open()), threads, cast("Any", None))
            stream._asked = cast("Any", asked)
            leaving = asyncio.create_task(stream.close())
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            let_go_of = asked.let_go_of
            is_free.set()
            assert let_go_of == 1, "at once"

        asyncio.run(leave())
    assert asked.cancelled == 1
