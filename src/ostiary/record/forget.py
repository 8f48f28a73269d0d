"""Content that the record holds as salted hashes: testing what it was, and making that impossible for ever."""

from __future__ import annotations

import hmac

from ostiary.core.text import quote_untrusted
from ostiary.errors import RECORD_NO_ENTRY, Misuse
from ostiary.record.entry import hash_content
from ostiary.record.events import RecordForgotten
from ostiary.record.log import Log
from ostiary.record.reader import Reader


def is_content(reader: Reader, index: int, field: str, clear: bytes) -> bool:
    """Whether these bytes are what the entry's salted hash was made of; no answer where the salt is gone."""
    recorded = reader.read_entry(index).data.get(field)
    salts = {salt.field: salt.salt for salt in reader.read_salts(index)}
    if not isinstance(recorded, str) or field not in salts:
        raise Misuse(
            RECORD_NO_ENTRY,
            f"entry {index} has no salt for {quote_untrusted(field)}, or not any more",
            hint="`ostiary record query --kind record.forgotten` shows which salts were deleted.",
        )
    return hmac.compare_digest(recorded, hash_content(clear, salts[field]))


def forget_content(log: Log, first: int, end: int, *, correlation_id: str) -> int:
    """Deletes the salts of entries [first, end); returns how many. An entry says that it was done."""
    with log.change() as store:
        salts = store.count_salts(first, end)
        if not salts:
            return 0
        store.remove_salts(first, end)
        log.place(RecordForgotten(first=first, end=end, salts=salts, correlation_id=correlation_id))
    log.give_back_room()
    return salts
