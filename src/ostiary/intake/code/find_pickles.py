"""What a pickle, or an archive of pickles, would import if somebody loaded it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_PICKLE_BYTES, MAX_PICKLES_IN_ARCHIVE
from ostiary.core.text import quote_untrusted
from ostiary.intake.code.read_pickle import PickleDescription, describe_pickle
from ostiary.intake.rules import code as rules

# What PyTorch and NumPy themselves put into a checkpoint of plain tensors. It lowers no bar, only the severity.
_ORDINARY_IMPORTS: Final = frozenset(
    {
        "collections.OrderedDict",
        "_codecs.encode",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.ndarray",
        "numpy.dtype",
    }
)
_LOCAL_HEADER: Final = b"PK\x03\x04"
_STORED: Final = 0
_DEFLATED: Final = 8
_SHOWN_IMPORTS: Final = 8
_LOOKED_AT_MEMBERS: Final = 10_000  # PyTorch writes its pickle first; a bound against millions of empty headers


def find_in_pickle(data: bytes) -> tuple[Finding, ...]:
    """The findings on a file that begins with `data`: a pickle, or a zip that holds pickles. Never raises."""
    if data.startswith(_LOCAL_HEADER):
        members = list(_pickles_in_zip(data))
        return tuple(_judge(describe_pickle(pickle), name, start) for name, start, pickle in members)
    description = describe_pickle(data)
    if description.ops < 2 and not description.is_truncated:
        return ()
    return (_judge(description, "", 0),)


def _judge(description: PickleDescription, member: str, start: int | None) -> Finding:
    inside = f"its member {quote_untrusted(member)}" if member else "the pickle"
    end = "; its end was not reached" if description.is_truncated and not description.stops else ""
    if not description.imports:
        return Finding(rules.PICKLE, f"{inside} names no import{end}", offset=start)
    offset = description.import_offset
    at = offset if start == 0 else start
    shown = quote_untrusted(", ".join(description.imports[:_SHOWN_IMPORTS]))
    more = len(description.imports) - _SHOWN_IMPORTS
    imports = shown + (f" and {more} more" if more > 0 else "")
    if all(_is_ordinary(name) for name in description.imports):
        return Finding(rules.PICKLE, f"{inside} imports only what tensors need: {imports}{end}", offset=at)
    does = "imports and calls" if description.calls else "imports"
    return Finding(rules.PICKLE_IMPORTS, f"{inside} {does} {imports}{end}", offset=at)


def _is_ordinary(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return name in _ORDINARY_IMPORTS or (module == "torch" and last.endswith("Storage"))


def _pickles_in_zip(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Name, offset and bytes of the pickles in the part of a zip that is there.

    Local headers are searched for instead of followed: PyTorch leaves their sizes zero, and a hostile archive may
    lie in them. A pickle knows its own end.
    """
    found = 0
    position = data.find(_LOCAL_HEADER)
    for _ in range(_LOOKED_AT_MEMBERS):
        if position < 0 or found >= MAX_PICKLES_IN_ARCHIVE:
            return
        name_length = int.from_bytes(data[position + 26 : position + 28], "little")
        extra_length = int.from_bytes(data[position + 28 : position + 30], "little")
        name = data[position + 30 : position + 30 + name_length]
        start = position + 30 + name_length + extra_length
        method = int.from_bytes(data[position + 8 : position + 10], "little")
        if name.lower().endswith((b".pkl", b".pickle")) and start < len(data):
            found += 1
            yield name.decode("utf-8", "replace"), start, _inflate(data, start, method)
        position = data.find(_LOCAL_HEADER, position + 4)


def _inflate(data: bytes, start: int, method: int) -> bytes:
    """The member's beginning, at most the ceiling of it; nothing of one that cannot be inflated."""
    packed = data[start : start + MAX_PICKLE_BYTES]
    if method == _STORED:
        return packed
    if method != _DEFLATED:
        return b""
    try:
        return zlib.decompressobj(-15).decompress(packed, MAX_PICKLE_BYTES)
    except zlib.error:
        return b""
