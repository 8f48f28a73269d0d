"""Whatever bytes lie where the cell keeps and reads its files: a value, or the one refusal."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from toml_text import write_toml

from ostiary.cell.ending import Cause, Ending, classify_ending, explain_ending
from ostiary.cell.limits import MIB, check_memory, derive_limits
from ostiary.cell.limits_file import SETTINGS, parse_config
from ostiary.cell.quarantine_file import End, Ends, EndsUnreadable, parse_ends, render_ends
from ostiary.cell.restart import LONGEST_DELAY_SECONDS, next_delay_seconds
from ostiary.core.tickets import ModelFacts
from ostiary.errors import CellRefused, Misuse

COUNTS = st.integers(0, 1 << 62)
MAYBE = st.none() | COUNTS


@given(st.binary(max_size=300))
def test_ends(data: bytes) -> None:
    with contextlib.suppress(EndsUnreadable):
        assert parse_ends(render_ends(parse_ends(data))) == parse_ends(data)


@given(
    st.lists(st.builds(End, st.integers(0, 10**11), st.sampled_from(Cause)), max_size=64),
    MAYBE,
    st.none() | st.text("0123456789abcdef", max_size=16),
)
def test_ends_that_were_written(ends: list[End], since: int | None, untold: str | None) -> None:
    written = Ends("a", tuple(ends), None if since is None else since % 10**11, untold)
    assert parse_ends(render_ends(written)) == written


@given(
    st.dictionaries(
        st.sampled_from([setting.name for setting in SETTINGS]) | st.text(max_size=8),
        st.integers() | st.text(max_size=12) | st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
        max_size=5,
    )
)
def test_settings(limits: dict[str, object]) -> None:
    with contextlib.suppress(Misuse):
        parse_config(write_toml({"limits": limits}), "ostiary.toml")


@given(st.binary(max_size=200))
def test_settings_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(Misuse):
        parse_config(data, "ostiary.toml")


FACTS = st.builds(
    ModelFacts,
    st.just("safetensors"),
    st.none(),
    *[MAYBE] * 4,
    st.none(),
    st.none(),
    st.just(()),
    COUNTS,
    MAYBE,
    MAYBE,
    st.booleans(),
)


@given(FACTS, st.integers(0, 1 << 50), st.integers(1, 1024))
def test_limits_derive_from_any_facts(facts: ModelFacts, memory: int, cores: int) -> None:
    limits = derive_limits(facts, facts.weight_bytes, memory, cores)
    assert all(value > 0 for value in limits.by_name().values())
    assert limits.memory_bytes <= max(memory * 4 // 5, 512 * MIB) + MIB
    with contextlib.suppress(CellRefused):
        check_memory(limits, facts.weight_bytes)


@given(st.lists(st.floats(0, 1e12), max_size=20), st.floats(0, 1e12))
def test_a_pause_is_never_longer_than_the_longest(ends: list[float], now: float) -> None:
    assert 0 <= next_delay_seconds(ends, now) <= LONGEST_DELAY_SECONDS


SEEN = st.tuples(st.none() | st.sampled_from(Cause), st.booleans(), st.booleans(), COUNTS, COUNTS)


@given(st.integers(1, 64) | st.none(), st.integers(0, 255), SEEN)
def test_every_ending_has_a_cause_and_words(
    number: int | None, status: int, seen: tuple[Cause | None, bool, bool, int, int]
) -> None:
    ending = Ending(number, status if number is None else None, *seen)
    assert "\n" not in str(explain_ending(classify_ending(ending), ending))
