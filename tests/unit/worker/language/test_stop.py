"""Stop texts are found wherever tokens end, and no more is held back than could become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.worker.engines.language.stop import StopFinder


def say(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    finder = StopFinder(stops)
    said = ""
    for piece in pieces:
        text, stop = finder.feed(piece)
        said += text
        if stop is not None:
            return said, stop
    return said + finder.flush(), None


@pytest.mark.parametrize(
    ("pieces", "said", "stop"),
    [
        (["Hello END of"], "Hello ", "END"),
        (["Hello E", "N", "D of"], "Hello ", "END"),
        (["EEN", "END"], "EEN", "END"),
        (["E", "N", "X"], "ENX", None),
        (["EN"], "EN", None),
        (["END"], "", "END"),
        (["", "EN", "", "D"], "", "END"),
    ],
)
def test_one_stop_text(pieces: list[str], said: str, stop: str | None) -> None:
    assert say(["END"], pieces) == (said, stop)


def test_the_first_in_the_text_wins_and_of_two_there_the_one_that_sorts_first() -> None:
    assert say(["world", "lo"], ["hello world"]) == ("hel", "lo")
    assert say(["ab", "abc"], ["xabc"]) == ("x", "ab")


def test_only_what_could_become_a_stop_text_is_held_back() -> None:
    finder = StopFinder(["\n\nUser:"])
    assert finder.feed("Well.").text == "Well."
    assert finder.feed("\n").text == ""
    assert finder.feed("\nThen").text == "\n\nThen"


def test_without_stop_texts_nothing_is_held_back() -> None:
    assert StopFinder([]).feed("anything") == ("anything", None)


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=5), max_size=12),
)
def test_as_if_the_text_had_come_whole(stops: list[str], pieces: list[str]) -> None:
    whole = "".join(pieces)
    said, stop = say(stops, pieces)
    if stop is None:
        assert said == whole
        assert not any(each in whole for each in stops)
    else:
        assert whole.startswith(said + stop)
        ends = [whole.find(each) + len(each) for each in stops if each in whole]
        assert len(said) + len(stop) >= min(ends)
