"""The memory of versions: any bytes are a memory or a refusal, and without a pin a version never goes back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import TrustRefused
from ostiary.record.begin import open_log
from ostiary.trust.explanation import Remembered
from ostiary.trust.memory_file import Memory, parse_memory, render_memory
from ostiary.trust.rollback import VersionMemory
from ostiary.trust.version import parse_version

_VERSIONS = st.sampled_from(["0.9", "1.0-rc.1", "1.0", "1", "1.1", "2"])
_ROOTS = st.sampled_from(["01" * 32, "02" * 32])
_IDS = st.sampled_from(["acme/llama", "bob/x"])
_WHOLE = render_memory(
    Memory({"acme/llama": Remembered(parse_version("1.2"), "01" * 32)}, 7, b'{"kind":"model.remembered"}')
)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda at, new: _WHOLE[:at] + new + _WHOLE[at + 1 :], st.integers(0, len(_WHOLE)), st.binary(max_size=3)
    )
)
def test_any_bytes_are_a_memory_or_a_refusal(data: bytes) -> None:
    try:
        memory = parse_memory(data)
    except TrustRefused as refused:
        if not refused.message.isprintable():
            raise AssertionError(refused.message) from refused
    else:
        assert parse_memory(render_memory(memory)) == memory


_STEPS = st.lists(st.tuples(_IDS, _VERSIONS, _ROOTS, st.booleans(), st.integers(0, 8)), max_size=8)


@settings(max_examples=25, deadline=None)
@given(_STEPS)
def test_no_history_of_files_put_back_goes_back(steps: list[tuple[str, str, str, bool, int]]) -> None:
    """After each step an attacker may put back any earlier file; what is remembered is as if he had not."""
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory) / "state"
        path = state / "trust" / "versions.json"
        expected: dict[str, Remembered] = {}
        files: list[bytes] = []
        with open_log(state) as log:
            memory = VersionMemory(log)
            for model, text, root, is_pinned, back in steps:
                asked, seen = Remembered(parse_version(text), root, is_pinned), expected.get(model)
                is_same = seen is not None and (seen.version, seen.root) == (asked.version, root)
                is_newer = seen is None or (seen.version is not None and asked.version > seen.version)
                may_be = is_pinned or is_same or is_newer
                try:
                    memory.remember(model, asked.version, root, correlation_id="c", is_pinned=is_pinned)
                except TrustRefused:
                    assert not may_be
                else:
                    assert may_be
                    if not (is_same and seen is not None and (seen.is_pinned or not is_pinned)):
                        expected[model] = asked
                if path.exists():
                    files.append(path.read_bytes())
                if back < len(files):
                    path.write_bytes(files[back])
                assert memory.read() == expected
