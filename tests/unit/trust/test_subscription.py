"""Which repository of trust is followed: whoever takes it away, or puts another in its place, is noticed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.core.limits import MAX_TUF_ROOT_BYTES
from ostiary.errors import Misuse, TrustRefused
from ostiary.record.begin import open_log
from ostiary.record.log import Log
from ostiary.trust.distribution import follow_repository, has_distribution
from ostiary.trust.rollback import VersionMemory
from ostiary.trust.subscription import check_subscription, subscribe, unsubscribe

ROOT, OTHER = b'{"root": 1}', b'{"root": 2}'
PLACE = "/srv/trust"


@pytest.fixture
def log(state_directory: Path) -> Iterator[Log]:
    with open_log() as opened:
        yield opened


@pytest.fixture
def kept(log: Log, state_directory: Path) -> Path:
    """The directory of the repository that is followed."""
    subscribe(log, PLACE, ROOT, correlation_id="c")
    return state_directory / "trust" / "distribution"


def refuse(log: Log, what: str) -> None:
    with pytest.raises(TrustRefused) as refused:
        check_subscription(log)
    assert refused.value.code == "TRUST_NOT_FOLLOWED"
    assert what in refused.value.message
    assert "ostiary trust unfollow" in refused.value.hint


def test_nothing_is_followed_at_first(log: Log, state_directory: Path) -> None:
    assert check_subscription(log) is None
    assert not (state_directory / "trust").exists()


def test_what_is_followed_is_remembered_by_its_root(log: Log, kept: Path, state_directory: Path) -> None:
    assert check_subscription(log) == state_directory
    assert VersionMemory(log).read_repository() == hashlib.sha256(ROOT).hexdigest()
    assert (kept / "root.json").read_bytes() == ROOT


def test_a_repository_that_was_taken_away(log: Log, kept: Path) -> None:
    shutil.rmtree(kept)
    refuse(log, "is gone")


def test_the_whole_memory_taken_away_with_it(log: Log, kept: Path) -> None:
    shutil.rmtree(kept.parent)
    with pytest.raises(TrustRefused) as refused:
        check_subscription(log)
    assert refused.value.code == "TRUST_TAMPERED"
    VersionMemory(log).rebuild()
    refuse(log, "is gone")


@pytest.mark.parametrize("how", ["another", "none", "directory", "endless", "emptied"])
def test_another_root_in_its_place(log: Log, kept: Path, how: str) -> None:
    root = kept / "root.json"
    if how == "emptied":
        shutil.rmtree(kept)
        kept.mkdir()
    elif how == "another":
        root.write_bytes(OTHER)
    elif how == "endless":
        root.write_bytes(bytes(MAX_TUF_ROOT_BYTES + 1))
    else:
        root.unlink()
        if how == "directory":
            root.mkdir()
    refuse(log, "is not the one that is followed")


def test_a_repository_that_somebody_else_put_there(log: Log, state_directory: Path) -> None:
    follow_repository(state_directory, PLACE, ROOT)
    refuse(log, "nobody here said to follow")
    with pytest.raises(Misuse):
        subscribe(log, PLACE, ROOT, correlation_id="c")
    unsubscribe(log, correlation_id="c")
    assert check_subscription(log) is None


def test_following_is_said_once(log: Log, kept: Path) -> None:
    for root in (ROOT, OTHER):
        with pytest.raises(Misuse):
            subscribe(log, PLACE, root, correlation_id="c")
    assert (kept / "root.json").read_bytes() == ROOT


def test_only_the_same_repository_can_be_followed_again(log: Log, kept: Path, state_directory: Path) -> None:
    shutil.rmtree(kept)
    with pytest.raises(Misuse):
        subscribe(log, PLACE, OTHER, correlation_id="c")
    refuse(log, "is gone")
    subscribe(log, "https://mirror.example/trust", ROOT, correlation_id="c")
    assert check_subscription(log) == state_directory


def test_following_no_more_is_remembered(log: Log, kept: Path, state_directory: Path) -> None:
    unsubscribe(log, correlation_id="c")
    assert not has_distribution(state_directory)
    assert check_subscription(log) is None
    with pytest.raises(Misuse):
        unsubscribe(log, correlation_id="c")
    subscribe(log, PLACE, OTHER, correlation_id="c")
    assert check_subscription(log) == state_directory


def test_killed_between_the_memory_and_the_directory(
    log: Log, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways: nothing is believed until the same word is said again, and then it holds."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ostiary.trust.subscription.follow_repository", die)
        with pytest.raises(KeyboardInterrupt):
            subscribe(log, PLACE, ROOT, correlation_id="c")
    refuse(log, "is gone")
    subscribe(log, PLACE, ROOT, correlation_id="c")
    assert check_subscription(log) == state_directory
    with monkeypatch.context() as patch:
        patch.setattr("ostiary.trust.subscription.remove_distribution", die)
        with pytest.raises(KeyboardInterrupt):
            unsubscribe(log, correlation_id="c")
    refuse(log, "nobody here said to follow")
    unsubscribe(log, correlation_id="c")
    assert check_subscription(log) is None


@pytest.mark.parametrize(("source", "root"), [("nowhere", ROOT), (PLACE, bytes(MAX_TUF_ROOT_BYTES + 1))])
def test_what_cannot_be_followed_is_not_remembered(log: Log, source: str, root: bytes) -> None:
    with pytest.raises((Misuse, TrustRefused)):
        subscribe(log, source, root, correlation_id="c")
    assert check_subscription(log) is None
