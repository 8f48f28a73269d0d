"""How much of a file is kept in memory for its reader. The rest only passes through the digest."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.function_limits import MAX_CARD_BYTES, MAX_CONTRACT_BYTES, MAX_GRAPH_BYTES
from ostiary.core.limits import (
    MAX_CONFIG_BYTES,
    MAX_GGUF_HEADER_BYTES,
    MAX_HEAD_BYTES,
    MAX_JSON_BYTES,
    MAX_KEPT_BYTES,
    MAX_MLXFN_BYTES,
    MAX_NPY_HEADER_BYTES,
    MAX_PICKLE_BYTES,
    MAX_SEARCHED_BYTES,
    MAX_TEMPLATE_CHARACTERS,
    MAX_TERMS_BYTES,
    MAX_VOCABULARY_FILE_BYTES,
)
from ostiary.core.tickets import FileKind
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tree as rules
from ostiary.intake.weights.read_safetensors import measure_safetensors_header

# One byte past a reader's ceiling is enough for it to see that the file exceeds it.
_WANTED: Final[Mapping[FileKind, int]] = {
    FileKind.CONFIG: MAX_CONFIG_BYTES + 1,
    FileKind.GENERATION_CONFIG: MAX_CONFIG_BYTES + 1,
    FileKind.ADAPTER_CONFIG: MAX_CONFIG_BYTES + 1,
    FileKind.GRAPH: MAX_GRAPH_BYTES + 1,
    FileKind.CONTRACT: max(MAX_CONTRACT_BYTES, MAX_TERMS_BYTES) + 1,
    FileKind.CARD: MAX_CARD_BYTES + 1,
    FileKind.INDEX: MAX_JSON_BYTES + 1,
    FileKind.TOKENIZER: MAX_JSON_BYTES + 1,
    FileKind.TOKENIZER_CONFIG: MAX_JSON_BYTES + 1,
    FileKind.JSON: MAX_JSON_BYTES + 1,
    FileKind.SENTENCEPIECE: MAX_VOCABULARY_FILE_BYTES + 1,
    FileKind.VOCABULARY: MAX_VOCABULARY_FILE_BYTES + 1,
    FileKind.CHAT_TEMPLATE: 4 * MAX_TEMPLATE_CHARACTERS + 1,
    FileKind.GGUF: MAX_GGUF_HEADER_BYTES + 1,
    FileKind.NPY: MAX_NPY_HEADER_BYTES + MAX_HEAD_BYTES,
    FileKind.MLXFN: MAX_MLXFN_BYTES + 1,
    FileKind.PICKLE: MAX_PICKLE_BYTES,
    FileKind.DOCUMENT: MAX_SEARCHED_BYTES,
    FileKind.UNKNOWN: MAX_SEARCHED_BYTES,
}


def measure_kept_bytes(kind: FileKind, head: bytes, size: int) -> int:
    """How many bytes from the start of a file of `size` bytes its reader needs."""
    if kind is FileKind.SAFETENSORS:
        try:
            return measure_safetensors_header(head, size)
        except IntakeRefused:  # the reader will say so, from what there is
            return len(head)
    return min(size, _WANTED.get(kind, MAX_HEAD_BYTES))


class KeepBudget:
    """What the files of one model may keep in memory together; shared by the threads that read them."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._left_bytes = max_bytes
        self._max_bytes: Final = max_bytes
        self._lock: Final = threading.Lock()

    def take(self, count: int, path: str) -> None:
        with self._lock:
            self._left_bytes -= count
            if self._left_bytes >= 0:
                return
        detail = f"with it, more than {self._max_bytes:,} bytes would be held in memory"
        raise refuse(rules.TOO_MUCH_TO_KEEP, detail, path=path)
