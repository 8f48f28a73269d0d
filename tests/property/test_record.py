"""A record with any byte changed: refused, or nothing that it says has changed. And hostile bytes for every parser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_tools import database_of, fill, make_event, verify

from ostiary.core.limits import MAX_ENTRY_BYTES
from ostiary.errors import RecordRefused, RecordUnwritable
from ostiary.record.archive import archive_entries
from ostiary.record.archive_file import verify_archive_file
from ostiary.record.begin import open_log, open_reader
from ostiary.record.checkpoint import parse_checkpoint, parse_checkpoint_text
from ostiary.record.entry import Entry, describe_actor, encode_event, parse_entry, place_event
from ostiary.record.events import ModelFailed, ModelRefused
from ostiary.record.note import parse_note, parse_verifier_key, render_note
from ostiary.record.proof import parse_proof, prove_entry, render_proof, verify_proof
from ostiary.record.rotate import rotate_keys

Said = tuple[object, ...]


def read_all(state: Path) -> Said:
    """Everything that a record says, but for salts: they can be deleted, so the tree cannot cover them."""
    with open_reader(state) as reader:
        return (
            list(reader.read_rows()),
            reader.read_checkpoints(),
            reader.read_kept_sizes(),
            reader.read_keys(),
            reader.read_archives(),
            [path.read_bytes() for path in sorted((state / "record" / "archive").iterdir())],
        )


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A record with everything in it: a rotation, an archive, salts, free pages."""
    state = tmp_path_factory.mktemp("whole")
    fill(state, 30, location=b"/models/x")
    with open_log(state) as log:
        rotate_keys(log, correlation_id="r")
        archive_entries(log, correlation_id="a", keep_bytes=9_000)
        log.append_many([make_event(i, location=b"/models/y") for i in range(9)])
    assert verify(state).archived
    return state, read_all(state)


def check_changed(state: Path, said: Said) -> bool:
    """Whether the change was refused; where it was not, nothing may have changed."""
    try:
        verify(state)
        found = read_all(state)
    except (RecordRefused, RecordUnwritable):
        return True
    assert found == said
    return False


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_the_database_is_refused_or_says_nothing(
    record: tuple[Path, Said], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, said = record
    state = tmp_path_factory.mktemp("flipped") / "state"
    shutil.copytree(whole, state)
    content = bytearray(database_of(state).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    database_of(state).write_bytes(content)
    check_changed(state, said)
    shutil.rmtree(state)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_an_archive_file_is_refused(
    record: tuple[Path, Said], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, said = record
    state = tmp_path_factory.mktemp("flipped") / "state"
    shutil.copytree(whole, state)
    (path,) = (state / "record" / "archive").iterdir()
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert check_changed(state, said)
    shutil.rmtree(state)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_entry_is_refused(record: tuple[Path, Said], data: st.DataObject) -> None:
    whole, _ = record
    with open_reader(whole) as reader:
        size = reader.read_size()
        index = data.draw(st.integers(size - 8, size - 1))
        note = reader.read_checkpoints()[-1][1]
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[-1][1])
        proof, body = prove_entry(reader, index, note), bytearray(reader.read_body(index) or b"")
    assert verify_proof(proof, keys).entry.index == index
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RecordRefused):
        verify_proof(proof, keys, bytes(body))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_proof_is_refused_or_is_not_part_of_it(
    record: tuple[Path, Said], data: st.DataObject
) -> None:
    whole, _ = record
    with open_reader(whole) as reader:
        index = reader.read_size() - 2
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[-1][1])
        proof = bytearray(prove_entry(reader, index, reader.read_checkpoints()[-1][1]))
    proof[data.draw(st.integers(0, len(proof) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        verified = verify_proof(bytes(proof), keys)
    except RecordRefused:
        return
    # The time of an ML-DSA cosignature is signed, and so is everything else: nothing is left to change.
    pytest.fail(f"a changed proof was believed: {verified}")


texts = st.text(st.characters(codec=None) | st.sampled_from('"\\\x00\x1f\x7f\n\u2028\ud800😀'), max_size=40)


@given(
    name=texts,
    root=st.none() | texts,
    path=st.none() | st.text("aé\ud800", max_size=3).map(lambda text: text * 500),
    findings=st.dictionaries(texts, st.integers(-(2**53) + 1, 2**53 - 1), max_size=8),
)
def test_any_event_is_spelled_as_a_reader_would_spell_it(
    name: str, root: str | None, path: str | None, findings: dict[str, int]
) -> None:
    event = ModelRefused(
        name=name, root=root, code="C", rule=None, path=path, findings=findings, correlation_id="c"
    )
    entry = parse_entry(place_event(encode_event(event), 3, "2026-11-21T10:00:00.000001Z", describe_actor()), 3)
    expected = {"name": name, "root": root, "code": "C", "findings": findings or None, "correlation_id": "c"}
    if not any(0xD800 <= ord(character) < 0xE000 for character in f"{name}{root}{''.join(findings)}"):
        said = {name: value for name, value in entry.data.items() if name != "path"}
        assert said == {name: value for name, value in expected.items() if value is not None}
    assert ("path" in entry.data) == (path is not None)


@given(st.text("aé\ud800\x00😀", max_size=8), st.integers(1, 3_000))
def test_no_event_is_larger_than_an_entry_may_be(text: str, times: int) -> None:
    event = ModelFailed(name=text * times, code="C", correlation_id="c")
    try:
        encoded = encode_event(event)
    except ValueError:
        # A mistake of the caller, and told as one.
        return
    assert len(place_event(encoded, 1 << 52, "2026-11-21T10:00:00.000001Z", describe_actor())) <= MAX_ENTRY_BYTES


hostile = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(
        st.sampled_from(
            [b"\n", b"\n\n", "— ".encode(), b"name ", b"+", b"0", b"12", b"AAAA", b"c2sp.org/tlog-proof@v1", b"index ",
             b"extra ", b"{", b"}", b'"at":', b'"n":', b"1", b"[", b"]", b'"x"', b":", b",", b"\xff", b"\x00"]
        ),
        max_size=40,
    ).map(b"".join),
)  # fmt: skip


@given(hostile)
def test_any_bytes_are_a_value_or_a_refusal(claimed: bytes) -> None:
    for parse in (
        parse_note,
        parse_checkpoint,
        parse_proof,
        lambda raw: parse_entry(raw, 0),
        lambda raw: parse_verifier_key(raw.decode("utf-8", "replace")),
        lambda raw: parse_checkpoint_text(raw.decode("utf-8", "replace")),
    ):
        try:
            value = parse(claimed)  # type: ignore[operator]
        except RecordRefused:
            continue
        if parse is parse_note:
            assert render_note(value) == claimed
        elif parse is parse_proof:
            assert render_proof(value) == claimed
        elif isinstance(value, Entry):
            assert value.body == claimed


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile)
def test_any_bytes_as_an_archive_file_are_refused(tmp_path: Path, claimed: bytes) -> None:
    path = tmp_path / "archive.jsonl"
    path.write_bytes(claimed)
    with pytest.raises(RecordRefused):
        verify_archive_file(path, None)
