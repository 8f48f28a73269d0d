"""Any bytes under any name get a kind and findings; no import that CPython would make goes unseen."""

from __future__ import annotations

import io
import pickle
import zipfile

from hypothesis import example, given
from hypothesis import strategies as st
from pickle_oracle import imports_of

from ostiary.core.limits import MAX_HEAD_BYTES
from ostiary.core.tickets import FileKind
from ostiary.intake.code.find_code import find_in_file
from ostiary.intake.code.find_pickles import find_in_pickle
from ostiary.intake.code.kinds import recognise_file
from ostiary.intake.code.read_pickle import describe_pickle, looks_like_pickle
from ostiary.intake.rules import code as rules

_PIECES = st.sampled_from(
    [
        *(bytes([opcode]) for opcode in range(256)),
        b"cos\nsystem\n",
        b"(S'x'\nios\nsystem\n",
        b"\x8c\x02os",
        b"\x8c\x06system",
        b"S'o\\x73'\n",
        b"S'os'\n",
        b"Vos\n",
        b"U\x02os",
        b"X\x02\0\0\0os",
        b"\x93",
        b"\x94",
        b"p1\n",
        b"g1\n",
        b"p 01\n",
        b"q\x02",
        b"h\x02",
        b"\x80\x04",
        b"I1\n",
        b"I01\n",
        b"L1L\n",
        b"F1e5\n",
        b"\x85R",
        b")\x81",
        b"}b",
        b"2\x93",
        b"N0",
        b"(l",
        b"(t",
        b"\x95\x04\0\0\0\0\0\0\0",
    ]
)
_PROGRAMS = st.lists(_PIECES | st.binary(max_size=4), max_size=30).map(b"".join)
_VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from([len, print, io.BytesIO, zipfile.ZipFile]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
_PICKLES = st.builds(pickle.dumps, _VALUES, st.integers(0, 5))
_PATHS = st.text(max_size=40) | st.sampled_from(
    ["model.safetensors", "config.json", "README.md", "x.png", "a/b.jinja", "m.bin", "x.npz", ".git/x", "model.sig"]
)
_STARTS = st.sampled_from(
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04",
        b"GGUF",
        b"#!/",
        b"\x7fELF",
        b"{",
        b"\x93NUMPY",
        b"%PDF-",
        b"<svg ",
        b"\x1f\x8b",
    ]
)
_BYTES = st.builds(bytes.__add__, _STARTS, st.binary(max_size=600)) | _PROGRAMS | _PICKLES


@given(_PROGRAMS)
@example(b"S'os'\nS'x'\n\x93.")
@example(b"(cos\nsystem\n1N.")
@example(b"((0cos\nsystem\n.")
def test_no_import_of_a_program_goes_unseen(data: bytes) -> None:
    assert set(imports_of(data)) <= set(describe_pickle(data).imports)


@given(_PICKLES, st.binary(max_size=3), st.integers(0, 400))
def test_no_import_of_a_damaged_pickle_goes_unseen(data: bytes, patch: bytes, at: int) -> None:
    damaged = data[:at] + patch + data[at + len(patch) :]
    assert set(imports_of(damaged)) <= set(describe_pickle(damaged).imports)


@given(_PICKLES, st.sampled_from(["model.safetensors", "config.json", "README.md", "x", "vocab.txt"]))
def test_what_would_import_is_found_under_any_name(data: bytes, path: str) -> None:
    if imports_of(data):
        kind = recognise_file(path, data[:MAX_HEAD_BYTES], len(data))
        assert kind is FileKind.PICKLE
        found = find_in_file(path, kind, data, data, len(data))
        assert rules.PICKLE_IMPORTS in [finding.rule for finding in found]


@given(_PATHS, _BYTES, st.integers(0, 1 << 42))
def test_any_bytes_have_a_kind_and_findings(path: str, data: bytes, more: int) -> None:
    size = len(data) + more
    kind = recognise_file(path, data[:MAX_HEAD_BYTES], size)
    assert kind in FileKind
    for finding in find_in_file(path, kind, data, data[-100:], size):
        assert finding.path == path
        assert "\n" not in finding.sentence
        assert len(finding.detail) < 400


@given(st.sampled_from(list(FileKind)), _BYTES)
def test_findings_need_no_honest_kind(kind: FileKind, data: bytes) -> None:
    assert isinstance(find_in_file("x", kind, data, data, len(data)), tuple)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_an_appended_archive_is_never_let_in(prefix: bytes, comment: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__main__.py", "")
        archive.comment = comment.replace(b"PK", b"")
    data = prefix + buffer.getvalue()
    kind = recognise_file("README.md", data[:MAX_HEAD_BYTES], len(data))
    found = find_in_file("README.md", kind, data, data[-66_000:], len(data))
    assert any(finding.is_refusing for finding in found)


@given(_BYTES)
def test_the_walk_is_bounded_by_the_bytes(data: bytes) -> None:
    description = describe_pickle(data)
    assert description.ops <= len(data)
    assert (description.import_offset is None) == (not description.imports)
    assert isinstance(find_in_pickle(data), tuple)
    assert isinstance(looks_like_pickle(data, len(data) + 1), bool)


@given(st.lists(st.text(alphabet="abcdefghijklmnopqrstuvwxyz .,#-*`'\"(){}[]=:_", max_size=60), max_size=20))
def test_plain_prose_is_no_pickle(lines: list[str]) -> None:
    # A capital letter begins most lines of prose; the markup of a model card begins the rest.
    text = "".join(f"# {line}\n" for line in lines).encode()
    assert not looks_like_pickle(text, len(text))
