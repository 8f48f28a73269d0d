from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from record_tools import make_event, make_refusal

from ostiary.core.limits import MAX_EVENT_COUNTS, MAX_EVENT_TEXT_CHARACTERS
from ostiary.core.values import dataclass
from ostiary.errors import RecordRefused
from ostiary.record.entry import (
    describe_actor,
    encode_event,
    hash_content,
    parse_entry,
    place_event,
    read_time,
    spell_time,
)
from ostiary.record.events import Event, ModelFailed, ModelInspected, RecordDropped

AT = "2026-11-21T10:00:00.000001Z"


def spell(event: Event, index: int = 3) -> bytes:
    return place_event(encode_event(event), index, AT, describe_actor())


def test_an_entry_reads_back_as_it_was_written() -> None:
    entry = parse_entry(spell(make_refusal(5)), 3)
    assert (entry.index, entry.at, entry.kind, entry.schema) == (3, AT, "model.refused", 1)
    assert entry.data["code"] == "INTAKE_MALFORMED"
    assert entry.data["findings"] == {"safetensors.hole": 1}
    assert "root" not in entry.data


def test_what_an_event_has_nothing_to_say_of_takes_no_room() -> None:
    assert "deferred" not in json.loads(encode_event(make_event()).data)
    waiting = ModelInspected(
        name="m", root="0" * 64, files=1, bytes=1, format="x", architecture=None, correlation_id="c", deferred=2
    )
    assert json.loads(encode_event(waiting).data)["deferred"] == 2


def test_an_entry_from_when_nothing_was_a_zero_is_read_still() -> None:
    older = spell(make_event()).replace(b'"files":7', b'"deferred":0,"files":7')
    assert parse_entry(older, 3).data["deferred"] == 0


def test_there_is_one_spelling_only() -> None:
    body = spell(make_event())
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for other in (
        body.replace(b'"n":3', b'"n": 3'),
        body + b"\n",
        b" " + body,
        body.replace(b'"n":3', b'"n":3,"n":3'),
        body.replace(b'"n":3', b'"n":3.0'),
        body.replace(b'"n":3', b'"n":true'),
        body.replace(b'"v":1', b'"v":1,"w":1'),
        body.replace(b'"model-0"', b'"\\u006dodel-0"'),
        body.replace(AT.encode(), AT.encode().replace(b"Z", b"X")),
        body.replace(b'"uid":', b'"gid":'),
        body.replace(b"model-0", b"model-\xff"),
        b"[" * 10_000,
        b'{"n":' + b"9" * 5_000 + b"}",
        b"NaN",
        b"",
        b"x" * 20_000,
    ):
        assert other != body
        with pytest.raises(RecordRefused) as refused:
            parse_entry(other, 3)
        assert refused.value.code == "RECORD_CHANGED"


def test_content_is_kept_as_a_salted_hash_only() -> None:
    event = make_event(location=b"/models/private/anna")
    encoded, again = encode_event(event), encode_event(event)
    assert b"anna" not in place_event(encoded, 0, AT, describe_actor())
    assert "anna" not in repr(event)
    recorded = json.loads(encoded.data)["location"]
    assert recorded == hash_content(b"/models/private/anna", encoded.salts[0].salt)
    assert recorded != json.loads(again.data)["location"]


def test_text_that_utf8_cannot_hold_or_is_too_long_is_still_recorded() -> None:
    odd = ModelFailed(name="bad\udcff\x00name", code="X", correlation_id="c")
    assert parse_entry(spell(odd), 3).data["name"] == "bad\\udcff\x00name"
    long = ModelFailed(name="é" * 5_000, code="X", correlation_id="c")
    assert parse_entry(spell(long), 3).data["name"] == "é" * MAX_EVENT_TEXT_CHARACTERS + "... (5000)"


def test_tables_of_counts_are_cut_to_the_largest() -> None:
    counts = {f"rule-{i:04}": i for i in range(1, MAX_EVENT_COUNTS + 11)}
    kept = parse_entry(spell(RecordDropped(counts=counts, correlation_id="c")), 3).data["counts"]
    assert len(kept) == MAX_EVENT_COUNTS + 1
    assert sum(kept.values()) == sum(counts.values())
    assert kept["other"] == sum(range(1, 11))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Event):
    kind: ClassVar[str] = "test.odd"
    value: Any = None


def test_every_kind_of_value_has_its_spelling() -> None:
    for value in ("", "x", 0, -(2**53) + 1, True, False, (), ("a", "b\n"), {"b": 1, "a": -2}):
        assert parse_entry(spell(Odd(value=value, correlation_id="c")), 3).data["value"] == (
            list(value) if isinstance(value, tuple) else value
        )
    for absent in (None, {}):
        assert "value" not in parse_entry(spell(Odd(value=absent, correlation_id="c")), 3).data


def test_a_long_name_in_a_table_of_counts_is_cut_once() -> None:
    counts = parse_entry(spell(RecordDropped(counts={"x" * 3_000: 1}, correlation_id="c")), 3).data["counts"]
    assert counts == {"x" * MAX_EVENT_TEXT_CHARACTERS + "... (3000)": 1}


def test_values_that_cannot_be_spelled_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="53 bits"):
        encode_event(Odd(value=1 << 53, correlation_id="c"))
    with pytest.raises(TypeError, match="float"):
        encode_event(Odd(value=1.5, correlation_id="c"))
    with pytest.raises(TypeError, match="bool"):
        encode_event(Odd(value={"x": True}, correlation_id="c"))
    with pytest.raises(ValueError, match="larger"):
        encode_event(Odd(value=("x" * 2_000,) * 10, correlation_id="c"))


def test_times_are_utc_and_of_one_width() -> None:
    assert spell_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"
    east = timezone(timedelta(hours=2))
    assert spell_time(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=east)) == "2026-01-02T01:04:05.000006Z"
    assert read_time(spell(make_event())) == AT
    assert read_time(b"{}") == ""
