"""Policy and revocations from a TUF repository (https://theupdateframework.github.io/specification/latest/).

Whoever runs a repository publishes `policy.toml`, `revocations.toml` or both as targets. Its first root, given once
by an operator, decides who may publish; from then on a mirror, a thief of old files or somebody who holds the
network can only make the update fail. What was fetched is good until its metadata expires, also without a network,
and not a moment longer. The metadata is read by python-tuf (the extra `tuf`); nothing of it is read here.

In the state directory, below trust/distribution: root.json (the root an operator gave), source (a directory or an
https address), metadata and targets as fetched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.limits import (
    MAX_POLICY_BYTES,
    MAX_TUF_DELEGATIONS,
    MAX_TUF_METADATA_BYTES,
    MAX_TUF_ROOT_BYTES,
    MAX_TUF_ROOT_ROTATIONS,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    EXTRA_MISSING,
    SOURCE_UNREACHABLE,
    TRUST_BAD_SIGNATURE,
    TRUST_DIGEST_MISMATCH,
    TRUST_MALFORMED,
    TRUST_ROLLED_BACK,
    TRUST_STALE,
    TRUST_TOO_LARGE,
    USAGE,
    Misuse,
    SourceUnreachable,
    TrustRefused,
)
from ostiary.record.durable import sync_directory
from ostiary.record.store import explain_os
from ostiary.trust.read_policy import parse_policy
from ostiary.trust.revocation import parse_revocations

if TYPE_CHECKING:
    from tuf.ngclient.fetcher import FetcherInterface
    from tuf.ngclient.updater import Updater

POLICY_TARGET: Final = "policy.toml"
REVOCATIONS_TARGET: Final = "revocations.toml"
ROOT_FILE: Final = "root.json"
_TARGETS: Final = (POLICY_TARGET, REVOCATIONS_TARGET)
_ROLES: Final = ("timestamp", "snapshot", "targets")
_LOOPBACK: Final = ("http://127.0.0.1:", "http://[::1]:", "http://localhost:")
_UPDATE: Final = (
    "Update it with `ostiary trust update`; if that says the same, ask whoever publishes it to sign it anew."
)


@dataclass(frozen=True, slots=True)
class DistributedTrust:
    """What a repository says, as far as it is still good."""

    policy: bytes | None
    revocations: bytes | None
    expires_at: datetime
    version: int
    """Of the repository's timestamp: grows with every publication."""


def has_distribution(state: Path) -> bool:
    return os.path.lexists(_place(state))


def check_repository(source: str, root: bytes) -> None:
    """What an operator says of a repository, before anything is made of it."""
    _check_source(source)
    if len(root) > MAX_TUF_ROOT_BYTES:
        raise TrustRefused(TRUST_TOO_LARGE, f"a root of {len(root)} bytes")


def follow_repository(state: Path, source: str, root: bytes) -> None:
    """Makes the directory of a repository where there is none; subscription.py says which one may be there."""
    check_repository(source, root)
    place = _place(state)
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".distribution.", dir=place.parent))
        try:
            (staging / ROOT_FILE).write_bytes(root)
            (staging / "source").write_text(f"{source}\n", encoding="utf-8")
            for name in ("metadata", "targets"):
                (staging / name).mkdir()
            staging.rename(place)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        sync_directory(place.parent)
    except OSError as error:
        raise explain_os(error, "following a repository") from error


def read_kept_root(state: Path) -> bytes | None:
    """The root that the directory was made with; None where it cannot be read or is no root."""
    try:
        descriptor = os.open(_place(state) / ROOT_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            root = file.read(MAX_TUF_ROOT_BYTES + 1)
    except OSError:
        return None
    return root if len(root) <= MAX_TUF_ROOT_BYTES else None


def remove_distribution(state: Path) -> None:
    """Takes it away at once: a name that nobody reads first, then piece by piece."""
    place = _place(state)
    leaving = place.with_name(f".distribution.{os.urandom(4).hex()}.old")
    try:
        if os.path.lexists(place):
            place.rename(leaving)
            sync_directory(place.parent)
            shutil.rmtree(leaving)
    except OSError as error:
        raise explain_os(error, "following a repository no more") from error


def update_trust(state: Path, now: datetime) -> DistributedTrust:
    """Fetches what is new. Only what is right and can be read replaces what is there."""
    place = _require_place(state)
    source = (place / "source").read_text(encoding="utf-8").strip()
    _check_source(source)
    with _explained():
        updater = _open_updater(place, place / "metadata", place / "targets", source, _make_fetcher(source))
        updater.refresh()
        for target in _TARGETS:
            info = updater.get_targetinfo(target)
            kept = place / "targets" / target
            if info is None:
                kept.unlink(missing_ok=True)
                continue
            if info.length > MAX_POLICY_BYTES:
                raise TrustRefused(TRUST_TOO_LARGE, f"{target} has {info.length} bytes")
            if updater.find_cached_target(info, str(kept)) is None:
                fresh = kept.with_name(f".{target}.{os.getpid()}.new")
                try:
                    updater.download_target(info, str(fresh))
                    _check_readable(target, fresh.read_bytes())
                    fresh.replace(kept)
                finally:
                    fresh.unlink(missing_ok=True)
    return read_distributed(state, now)


def read_distributed(state: Path, now: datetime) -> DistributedTrust:
    """What was fetched last, checked again from the operator's own root down, without any network."""
    place = _require_place(state)
    with _explained(), tempfile.TemporaryDirectory(prefix="ostiary-trust-") as scratch:
        metadata = place / "metadata"
        expires_at, version = _read_expiry(metadata)
        if expires_at <= now:
            raise TrustRefused(
                TRUST_STALE, f"what was fetched expired on {expires_at:%Y-%m-%d %H:%M} UTC", hint=_UPDATE
            )
        updater = _open_updater(place, Path(scratch), Path(scratch), "kept:", _make_kept_fetcher(metadata))
        updater.refresh()
        found: dict[str, bytes | None] = {}
        for target in _TARGETS:
            info = updater.get_targetinfo(target)
            kept = place / "targets" / target
            found[target] = None
            if info is not None:
                if updater.find_cached_target(info, str(kept)) is None:
                    raise TrustRefused(
                        TRUST_DIGEST_MISMATCH, f"{target} is not the file that was signed", hint=_UPDATE
                    )
                found[target] = kept.read_bytes()
    return DistributedTrust(found[POLICY_TARGET], found[REVOCATIONS_TARGET], expires_at, version)


def _check_readable(target: str, data: bytes) -> None:
    """A signed mistake is refused as well, and what was there before stays."""
    if target == POLICY_TARGET:
        parse_policy(data)
    else:
        parse_revocations(data)


def _read_expiry(metadata: Path) -> tuple[datetime, int]:
    """When the first of the roles ends, and the timestamp's version."""
    from tuf.api.metadata import Metadata  # noqa: PLC0415  # an extra, slow to import

    signed = {
        role: Metadata.from_bytes((metadata / f"{role}.json").read_bytes()).signed for role in (*_ROLES, "root")
    }
    ends = [part.expires.astimezone(UTC) for part in signed.values()]
    return min(ends), signed["timestamp"].version


def _open_updater(place: Path, metadata: Path, targets: Path, source: str, fetcher: FetcherInterface) -> Updater:
    from tuf.ngclient.config import UpdaterConfig  # noqa: PLC0415
    from tuf.ngclient.updater import Updater  # noqa: PLC0415

    config = UpdaterConfig(
        max_root_rotations=MAX_TUF_ROOT_ROTATIONS,
        max_delegations=MAX_TUF_DELEGATIONS,
        root_max_length=MAX_TUF_ROOT_BYTES,
        timestamp_max_length=MAX_TUF_METADATA_BYTES,
        snapshot_max_length=MAX_TUF_METADATA_BYTES,
        targets_max_length=MAX_TUF_METADATA_BYTES,
        app_user_agent="ostiary",
    )
    base = source.rstrip("/")
    root = (place / ROOT_FILE).read_bytes()
    return Updater(
        str(metadata), f"{base}/metadata/", str(targets), f"{base}/targets/", fetcher, config, bootstrap=root
    )


def _make_fetcher(source: str) -> FetcherInterface:
    if not source.startswith("/"):
        from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher  # noqa: PLC0415

        return Urllib3Fetcher(app_user_agent="ostiary")
    base = Path(source)
    return _make_file_fetcher(lambda name: base / name.removeprefix(f"{source.rstrip('/')}/"))


def _make_kept_fetcher(metadata: Path) -> FetcherInterface:
    """Serves what was kept under the names that a repository has: `3.snapshot.json` is `snapshot.json` here."""

    def find(url: str) -> Path:
        name = url.rpartition("/")[2]
        number, _, rest = name.partition(".")
        if rest == "root.json" and number.isdigit():
            return metadata / "root_history" / name
        return metadata / (rest if number.isdigit() else name)

    return _make_file_fetcher(find)


def _make_file_fetcher(find: Callable[[str], Path]) -> FetcherInterface:
    from tuf.api.exceptions import DownloadHTTPError  # noqa: PLC0415
    from tuf.ngclient.fetcher import FetcherInterface  # noqa: PLC0415

    class FileFetcher(FetcherInterface):
        """A directory as if it were a server; what is not a plain file is not there."""

        def _fetch(self, url: str) -> Iterator[bytes]:
            path = find(url)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise DownloadHTTPError("not found", 404) from error
            with os.fdopen(descriptor, "rb") as file:
                while chunk := file.read(65_536):
                    yield chunk

        def fetch(self, url: str) -> Iterator[bytes]:
            # A generator raises late; the first piece is taken here, so that "not found" is told as such.
            pieces = self._fetch(url)
            first = next(pieces, b"")
            return _chain(first, pieces)

    return FileFetcher()


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


@contextmanager
def _explained() -> Iterator[None]:
    """python-tuf's errors as ours; none of their texts is shown."""
    try:
        from tuf.api import exceptions  # noqa: PLC0415
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING, "fetching trust needs the extra `tuf`", hint="Install it: pip install 'ostiary[tuf]'."
        ) from error
    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise TrustRefused(TRUST_STALE, "the repository's metadata has expired", hint=_UPDATE) from error
    except exceptions.BadVersionNumberError as error:
        raise TrustRefused(TRUST_ROLLED_BACK, "the repository offers older metadata than before") from error
    except exceptions.UnsignedMetadataError as error:
        raise TrustRefused(
            TRUST_BAD_SIGNATURE, "the repository's metadata is not signed by those who may sign it"
        ) from error
    except (exceptions.LengthOrHashMismatchError, exceptions.DownloadLengthMismatchError) as error:
        raise TrustRefused(
            TRUST_DIGEST_MISMATCH, "a file of the repository is not the one that was signed"
        ) from error
    except exceptions.RepositoryError as error:
        raise TrustRefused(TRUST_MALFORMED, "the repository's metadata cannot be read") from error
    except exceptions.DownloadError as error:
        raise SourceUnreachable(SOURCE_UNREACHABLE, "the repository does not answer, or lacks a file") from error
    except FileNotFoundError as error:
        raise TrustRefused(TRUST_STALE, "nothing was fetched yet, or a part of it is gone", hint=_UPDATE) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TrustRefused(TRUST_MALFORMED, "the repository's metadata cannot be read") from error
    except OSError as error:
        raise explain_os(error, "keeping what was fetched") from error


def _check_source(source: str) -> None:
    if source.startswith("/") or (source.startswith(("https://", *_LOOPBACK)) and source.isprintable()):
        return
    raise Misuse(
        USAGE,
        f"{quote_untrusted(source)} is no place to fetch trust from",
        hint="Name an absolute directory or an https address that has `metadata` and `targets` below it.",
    )


def _require_place(state: Path) -> Path:
    if not has_distribution(state):
        raise Misuse(
            USAGE,
            "this house follows no repository",
            hint="Name one: ostiary trust update --from SOURCE --root root.json.",
        )
    return _place(state)


def _place(state: Path) -> Path:
    return state / "trust" / "distribution"
