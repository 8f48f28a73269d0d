"""What a server tells of a changed file of keys: nothing while a request waits, everything once, and nothing lost."""

from __future__ import annotations

import pytest

from ostiary.gateway.key_news import KeyNews
from ostiary.record.event import Event


def test_nobody_waits_for_a_terminal_or_a_disk_while_a_request_comes() -> None:
    said: list[str] = []
    told: list[Event] = []
    news = KeyNews(told.append, "a-server", said.append)
    news.hear(2, "")
    news.hear(2, "server-keys.json is not JSON")
    assert (said, told) == ([], [])
    news.tell()
    news.tell()
    assert said == [
        "the keys have changed; 2 let somebody in now",
        "the keys stay as they were: server-keys.json is not JSON",
    ]
    assert [event.kind for event in told] == ["keys.reread", "keys.unusable"]


def test_what_the_record_does_not_take_is_told_later_and_said_once() -> None:
    said: list[str] = []
    told: list[Event] = []

    def refuse(_event: Event) -> None:
        raise RuntimeError

    news = KeyNews(refuse, "a-server", said.append)
    for count in range(100):
        news.hear(count, "")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            news.tell()
    news._emit = told.append  # type: ignore[misc]
    news.tell()
    assert len(said) == len(told) == 64, "of very many the last ones"
    assert said[-1] == "the keys have changed; 99 let somebody in now"
