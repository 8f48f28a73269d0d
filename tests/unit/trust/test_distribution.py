"""Trust from a TUF repository, and what whoever holds its mirror can do: make the update fail, nothing else."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from policy_cases import NOTHING_REVOKED

from ostiary.errors import Misuse, OstiaryError, SourceUnreachable, TrustRefused
from ostiary.trust.distribution import (
    follow_repository,
    has_distribution,
    read_distributed,
    remove_distribution,
    update_trust,
)

pytest.importorskip("tuf", reason="the extra `tuf`")

from securesystemslib.signer import CryptoSigner
from tuf_repository import NOW, OTHER_POLICY, POLICY, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def state(tmp_path: Path, repository: Repository) -> Path:
    state = tmp_path / "state"
    follow_repository(state, str(repository.place), repository.root)
    return state


def _refuse(state: Path, code: str, *, fetching: bool = True, at: datetime = NOW) -> None:
    with pytest.raises(OstiaryError) as refused:
        (update_trust if fetching else read_distributed)(state, at)
    assert refused.value.code == code
    assert refused.value.message.isprintable()
    assert refused.value.hint


def test_what_is_published_is_fetched_and_then_good_without_the_repository(
    state: Path, repository: Repository
) -> None:
    assert update_trust(state, NOW).policy == POLICY
    shutil.rmtree(repository.place)
    kept = read_distributed(state, NOW)
    assert kept.policy == POLICY
    assert kept.revocations is None
    assert kept.expires_at == repository.expires
    with pytest.raises(SourceUnreachable):
        update_trust(state, NOW)
    assert read_distributed(state, NOW).policy == POLICY


def test_a_newer_publication_replaces_the_older(state: Path, repository: Repository) -> None:
    update_trust(state, NOW)
    revocations = f"schema = 1\n{NOTHING_REVOKED}".encode()
    repository.publish({"policy.toml": OTHER_POLICY, "revocations.toml": revocations})
    fresh = update_trust(state, NOW)
    assert (fresh.policy, fresh.revocations, fresh.version) == (OTHER_POLICY, revocations, 2)
    repository.publish({"revocations.toml": revocations})
    assert update_trust(state, NOW).policy is None


def test_nothing_is_believed_before_the_first_update(state: Path) -> None:
    _refuse(state, "TRUST_STALE", fetching=False)


def test_what_is_not_followed_is_not_updated(state: Path, tmp_path: Path) -> None:
    assert has_distribution(state)
    with pytest.raises(Misuse):
        update_trust(tmp_path / "nowhere", NOW)


def test_what_is_followed_is_taken_away_whole(state: Path) -> None:
    update_trust(state, NOW)
    remove_distribution(state)
    assert not has_distribution(state)
    assert list((state / "trust").iterdir()) == []
    remove_distribution(state)


@pytest.mark.parametrize(
    "source", ["", "repository", "http://mirror.example/", "ftp://x/", "file:///x", "https://a\n"]
)
def test_what_is_no_place(tmp_path: Path, source: str) -> None:
    with pytest.raises(Misuse):
        follow_repository(tmp_path / "state", source, b"{}")


class TestAttacks:
    def test_rollback_of_the_timestamp(self, state: Path, repository: Repository) -> None:
        old = (repository.place / "metadata" / "timestamp.json").read_bytes()
        repository.publish({"policy.toml": OTHER_POLICY})
        update_trust(state, NOW)
        (repository.place / "metadata" / "timestamp.json").write_bytes(old)
        _refuse(state, "TRUST_ROLLED_BACK")
        assert read_distributed(state, NOW).policy == OTHER_POLICY

    def test_freeze(self, state: Path, repository: Repository) -> None:
        """A mirror that keeps serving what it has is believed until that expires, and not longer."""
        update_trust(state, NOW)
        later = repository.expires
        assert read_distributed(state, later - timedelta(seconds=1)).policy == POLICY
        _refuse(state, "TRUST_STALE", fetching=False, at=later)

    def test_an_expired_repository(self, tmp_path: Path) -> None:
        expired = Repository(tmp_path / "expired", days=-1)
        follow_repository(tmp_path / "s", str(expired.place), expired.root)
        _refuse(tmp_path / "s", "TRUST_STALE")

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_wrong_keys(self, state: Path, repository: Repository, role: str) -> None:
        update_trust(state, NOW)
        repository.signers[role] = CryptoSigner.generate_ecdsa()
        repository.publish({"policy.toml": OTHER_POLICY})
        _refuse(state, "TRUST_BAD_SIGNATURE")

    def test_a_root_that_the_old_one_did_not_sign(self, state: Path, repository: Repository) -> None:
        repository.signers["root"] = CryptoSigner.generate_ecdsa()
        repository.sign_root(2)
        _refuse(state, "TRUST_BAD_SIGNATURE")

    def test_a_root_that_the_old_one_signed_is_followed(self, state: Path, repository: Repository) -> None:
        old = repository.signers["root"]
        repository.signers["root"] = CryptoSigner.generate_ecdsa()
        repository.signers["timestamp"] = CryptoSigner.generate_ecdsa()
        repository.sign_root(2, old)
        repository.publish({"policy.toml": OTHER_POLICY})
        assert update_trust(state, NOW).policy == OTHER_POLICY
        assert read_distributed(state, NOW).policy == OTHER_POLICY

    def test_another_repository_in_its_place(self, state: Path, repository: Repository, tmp_path: Path) -> None:
        other = Repository(tmp_path / "other")
        shutil.rmtree(repository.place)
        shutil.copytree(other.place, repository.place)
        _refuse(state, "TRUST_BAD_SIGNATURE")

    def test_another_file_under_a_signed_name(self, state: Path, repository: Repository) -> None:
        for path in (repository.place / "targets").iterdir():
            path.write_bytes(OTHER_POLICY[: len(POLICY)].ljust(len(POLICY), b"#"))
        _refuse(state, "TRUST_DIGEST_MISMATCH")

    def test_endless_metadata(self, state: Path, repository: Repository) -> None:
        (repository.place / "metadata" / "timestamp.json").write_bytes(b" " * (3 << 20))
        _refuse(state, "TRUST_DIGEST_MISMATCH")

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"signed":1,"signatures":[]}', b"[" * 100_000])
    def test_garbage_for_metadata(self, state: Path, repository: Repository, data: bytes) -> None:
        (repository.place / "metadata" / "timestamp.json").write_bytes(data)
        _refuse(state, "TRUST_MALFORMED")

    def test_a_signed_mistake_does_not_replace_what_was_good(self, state: Path, repository: Repository) -> None:
        update_trust(state, NOW)
        repository.publish({"policy.toml": b"schema = 2"})
        _refuse(state, "TRUST_MALFORMED")

    def test_a_kept_policy_that_somebody_edited(self, state: Path) -> None:
        update_trust(state, NOW)
        (state / "trust" / "distribution" / "targets" / "policy.toml").write_bytes(OTHER_POLICY)
        _refuse(state, "TRUST_DIGEST_MISMATCH", fetching=False)
        assert update_trust(state, NOW).policy == POLICY

    def test_kept_metadata_that_somebody_edited(self, state: Path) -> None:
        update_trust(state, NOW)
        kept = state / "trust" / "distribution" / "metadata" / "timestamp.json"
        kept.write_bytes(kept.read_bytes().replace(b"20", b"21"))
        with pytest.raises(TrustRefused):
            read_distributed(state, NOW)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(repository: Repository) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(repository.place)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_over_the_network(tmp_path: Path, repository: Repository, address: str) -> None:
    state = tmp_path / "networked"
    follow_repository(state, address, repository.root)
    assert update_trust(state, NOW).policy == POLICY
    repository.publish({"policy.toml": OTHER_POLICY})
    assert update_trust(state, NOW).policy == OTHER_POLICY
