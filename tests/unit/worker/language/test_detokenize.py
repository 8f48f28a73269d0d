"""Text comes out as tokens come in: all of it, once, and never half a character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ostiary.worker.engines.language.detokenize import ByteDetokenizer, WindowDetokenizer

NOBODY: frozenset[int] = frozenset()
SMILE = "\U0001f642".encode()


def bytes_of(data: bytes, *, silent: frozenset[int] = NOBODY, drops: bool = False) -> list[str]:
    """Each byte a token of its own."""
    detokenizer = ByteDetokenizer(lambda token: bytes([token]), silent, drops_first_space=drops)
    return [*(detokenizer.add(byte) for byte in data), detokenizer.finish()]


def test_a_character_comes_with_its_last_byte() -> None:
    assert bytes_of(SMILE) == ["", "", "", "\U0001f642", ""]


def test_what_cannot_become_a_character_is_replaced_as_soon_as_that_is_clear() -> None:
    assert bytes_of(b"\xf0\x9fA") == ["", "", "\ufffdA", ""]
    assert bytes_of(b"\xff") == ["\ufffd", ""]


def test_a_character_that_is_never_finished_is_replaced_in_the_end() -> None:
    assert bytes_of(SMILE[:3]) == ["", "", "", "\ufffd"]


def test_the_first_space_goes_where_words_bring_one_along() -> None:
    assert "".join(bytes_of(b" a b", drops=True)) == "a b"
    assert "".join(bytes_of(b"  a", drops=True)) == " a"
    assert "".join(bytes_of(b" a b", drops=False)) == " a b"


def test_silent_tokens_and_unknown_ids_say_nothing() -> None:
    words = {0: b"a", 2: b"c"}
    detokenizer = ByteDetokenizer(lambda token: words.get(token, b""), frozenset({2}), drops_first_space=False)
    assert [detokenizer.add(token) for token in (0, 1, 2, 3, 99)] == ["a", "", "", "", ""]


@given(st.binary(max_size=40))
def test_pieces_join_to_the_whole_text(data: bytes) -> None:
    pieces = bytes_of(data)
    assert "".join(pieces) == data.decode("utf-8", "replace")


WORDS = [" a", "b", "c ", "\ufffd", " "]


def decode_words(ids: object) -> str:
    """A decoder whose words depend on their neighbours: it strips the ends and lets no two spaces stand together."""
    assert isinstance(ids, list)
    return " ".join("".join(WORDS[token] for token in ids).split(" ")).lstrip()


@given(st.lists(st.integers(0, 2), max_size=60))
def test_a_window_gives_what_the_decoder_gives(tokens: list[int]) -> None:
    detokenizer = WindowDetokenizer(lambda ids: "".join(WORDS[token] for token in ids), NOBODY)
    said = "".join([*(detokenizer.add(token) for token in tokens), detokenizer.finish()])
    assert said == "".join(WORDS[token] for token in tokens)


def test_a_window_waits_for_an_open_character_but_not_for_ever() -> None:
    detokenizer = WindowDetokenizer(lambda ids: "".join(WORDS[token] for token in ids), NOBODY)
    said = [detokenizer.add(3) for _ in range(40)]
    assert said[0] == ""
    assert "".join([*said, detokenizer.finish()]) == "\ufffd" * 40


def test_a_decoder_that_rewrites_what_it_said_loses_no_later_words() -> None:
    detokenizer = WindowDetokenizer(decode_words, NOBODY)
    said = "".join([*(detokenizer.add(token) for token in (4, 0, 1, 2, 0)), detokenizer.finish()])
    assert said.replace(" ", "") == "abca"
