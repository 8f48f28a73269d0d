"""Whatever a worker sends: frames or one refusal, however the stream is cut."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.frames import Frame, FrameMalformed, FrameReader, FromWorker, encode_frame

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, max_size=4)
FRAMES = st.lists(
    st.tuples(st.sampled_from(FromWorker), st.integers(0, (1 << 32) - 1), BODIES, st.binary(max_size=300)),
    max_size=6,
)


def _read(stream: bytes, cuts: list[int]) -> tuple[list[Frame], bool]:
    reader, frames = FrameReader(FromWorker), []
    ends = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    try:
        for start, end in pairwise(ends):
            frames += reader.feed(stream[start:end])
    except FrameMalformed:
        return frames, False
    return frames, True


@given(FRAMES, st.lists(st.integers(0, 1 << 20), max_size=8))
def test_what_was_written_is_read_however_it_is_cut(frames, cuts: list[int]) -> None:
    stream = b"".join(bytes(buffer) for frame in frames for buffer in encode_frame(*frame))
    found, is_whole = _read(stream, cuts)
    assert is_whole
    assert [(frame.kind, frame.call_id, frame.parse_body(), bytes(frame.tail)) for frame in found] == frames


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_are_frames_or_one_refusal(stream: bytes, cuts: list[int]) -> None:
    whole, cut = _read(stream, []), _read(stream, cuts)
    assert whole[1] == cut[1]
    assert [frame.body for frame in whole[0]] == [frame.body for frame in cut[0]]
    for frame in whole[0]:
        with suppress(FrameMalformed):
            assert isinstance(frame.parse_body(), dict)
