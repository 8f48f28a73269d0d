"""The small files of a model: read once, compared, and kept as bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.tickets import FileEntry, FileKind
from ostiary.vault.place import Place, refuse_changed, tell_unreadable

WEIGHTS_KINDS: Final = frozenset(
    {FileKind.SAFETENSORS, FileKind.GGUF, FileKind.NPY, FileKind.NPZ, FileKind.MLXFN},
)
# What an engine has a use for. Documents, pictures and what nobody knows stay outside, however large they are.
CONTENTS_KINDS: Final = frozenset(
    {
        FileKind.INDEX,
        FileKind.CONFIG,
        FileKind.GENERATION_CONFIG,
        FileKind.TOKENIZER,
        FileKind.TOKENIZER_CONFIG,
        FileKind.SENTENCEPIECE,
        FileKind.VOCABULARY,
        FileKind.CHAT_TEMPLATE,
        FileKind.ADAPTER_CONFIG,
        FileKind.GRAPH,
        FileKind.CONTRACT,
        FileKind.JSON,
    }
)


def read_contents(place: Place, entries: Iterable[FileEntry]) -> Mapping[str, bytes]:
    """Path to bytes of every file that is not weights and that an engine may want. Raises VaultRefused."""
    return MappingProxyType({e.path: _read(place, e) for e in entries if e.kind in CONTENTS_KINDS})


def _read(place: Place, entry: FileEntry) -> bytes:
    descriptor = place.open_file(entry)
    try:
        # One byte more than there should be tells that it grew.
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            pieces = bytearray()
            while piece := file.read(entry.size + 1 - len(pieces)):
                pieces += piece
    except OSError as error:
        raise tell_unreadable(entry, error) from error
    finally:
        os.close(descriptor)
    data = bytes(pieces)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise refuse_changed(entry, "its bytes are not those that were verified")
    return data
