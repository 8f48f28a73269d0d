"""The tables of a record, as data."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x4F537452  # "OStR"
SCHEMA_VERSION: Final = 1

TABLES: Final = (
    # An entry's bytes; before them its leaf hash and the hash of each subtree that it completed. The node at
    # (level, index) stands in row ((index + 1) << level) - 1 at byte 32 * level, so that any node is one look-up,
    # a commit touches one page, and the tree's state needs no row of its own: it is the last row.
    "CREATE TABLE entry (n INTEGER PRIMARY KEY, hashes BLOB NOT NULL, body BLOB NOT NULL) STRICT",
    # The hashes of entries whose bytes were moved to an archive file.
    "CREATE TABLE archived (n INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT",
    # What can be deleted to make the salted hashes in an entry meaningless.
    "CREATE TABLE salt (n INTEGER NOT NULL, field TEXT NOT NULL, salt BLOB NOT NULL, "
    "PRIMARY KEY (n, field)) STRICT, WITHOUT ROWID",
    # Signed checkpoints: the latest, and those that must stay (under the old keys, at a rotation).
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL, is_kept INTEGER NOT NULL) STRICT",
    # Which entry announced which keys, so that nobody has to search for it. `verify` compares it with the entries.
    "CREATE TABLE vkey (n INTEGER PRIMARY KEY, keys TEXT NOT NULL) STRICT",
    # Which entries went to which archive file, and which entry says so.
    "CREATE TABLE archive (first INTEGER PRIMARY KEY, end INTEGER NOT NULL, file TEXT NOT NULL, "
    "sha256 TEXT NOT NULL, n INTEGER NOT NULL) STRICT",
)

CREATE_PRAGMAS: Final = (
    # Entries of about 460 bytes leave less of a larger page empty, and a commit takes no longer.
    "PRAGMA page_size = 8192",
    # Gives room back to the disk after archiving, without rewriting the file.
    "PRAGMA auto_vacuum = INCREMENTAL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
    "PRAGMA journal_mode = WAL",
)

OPEN_PRAGMAS: Final = (
    # Every commit is on the disk before it is acknowledged.
    "PRAGMA synchronous = FULL",
    # On macOS fsync alone leaves the data in the drive's cache.
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    # A database that somebody edited may carry hostile schema or pages.
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    # A deleted salt must not linger in a free page.
    "PRAGMA secure_delete = ON",
)
