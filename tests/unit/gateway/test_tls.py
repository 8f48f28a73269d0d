"""The server's certificate: which files are taken, and what becomes of them while the server runs."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tls_forge import DAY, Made, make_authority, make_certificate, make_server, make_weak_key

from ostiary.errors import Misuse
from ostiary.gateway.tls import Tls, TlsTold
from ostiary.gateway.tls_files import judge_tls_files, make_context, read_tls_files
from ostiary.gateway.tls_settings import TlsSettings


@pytest.fixture
def settings(tmp_path: Path) -> TlsSettings:
    made = TlsSettings(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    make_server().write(made.certificate, made.key, make_authority())
    return made


class Watched:
    """A certificate that is looked at, and what was told of it."""

    def __init__(self, settings: TlsSettings) -> None:
        self.told: list[str] = []
        self.now = datetime.now(UTC).timestamp()
        self.tls = Tls(settings, self._tell, lambda: self.now)

    def _tell(self, told: TlsTold) -> None:
        self.told.append(_name(told))


def _name(told: TlsTold) -> str:
    if told.refused is not None:
        return told.refused.message
    return "soon" if told.expires_soon else "renewed"


def judge(settings: TlsSettings) -> None:
    files = read_tls_files(settings)
    judge_tls_files(files, datetime.now(UTC))
    make_context(files, settings)


def refuse(settings: TlsSettings) -> str:
    with pytest.raises(Misuse) as caught:
        judge(settings)
    assert caught.value.code == "TLS_UNUSABLE"
    assert str(settings.key.parent) not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def test_good_files(settings: TlsSettings) -> None:
    judge(settings)
    files = read_tls_files(settings)
    facts = judge_tls_files(files, datetime.now(UTC))
    assert facts.names == ("localhost", "127.0.0.1")
    assert facts.sha256 == make_server().sha256
    assert "PRIVATE" not in repr(files)


def test_a_context_that_agrees_on_nothing_old(settings: TlsSettings) -> None:
    context = make_context(read_tls_files(settings), settings)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_TICKET
    assert context.num_tickets == 0
    assert all("ECDHE" in one["name"] or one["name"].startswith("TLS_") for one in context.get_ciphers())
    newest = make_context(read_tls_files(settings), replace(settings, version="1.3"))
    assert newest.minimum_version is ssl.TLSVersion.TLSv1_3


def test_links_are_followed_as_renewing_programs_make_them(settings: TlsSettings, tmp_path: Path) -> None:
    linked = replace(settings, certificate=tmp_path / "live.pem", key=tmp_path / "live.key")
    linked.certificate.symlink_to(settings.certificate)
    linked.key.symlink_to(settings.key)
    judge(linked)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620, 0o602, 0o777])
def test_a_key_that_others_could_have(settings: TlsSettings, mode: int) -> None:
    settings.key.chmod(mode)
    if os.geteuid() == 0 and mode == 0o640:
        judge(settings)  # root's own, for the group of a server that is not root
    else:
        assert "by others" in refuse(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_somebody_else(settings: TlsSettings) -> None:
    os.chown(settings.key, 12_345, 12_345)
    assert "somebody else" in refuse(settings)


def _swap(settings: TlsSettings, made: Made, *above: Made) -> None:
    made.write(settings.certificate, settings.key, *above)


def _write_key_only(settings: TlsSettings) -> None:
    settings.key.write_bytes(make_certificate("other").render_key())


def _lock(settings: TlsSettings) -> None:
    settings.key.write_bytes(make_server().render_key(b"secret"))


def _replace_key(data: bytes) -> Callable[[TlsSettings], None]:
    return lambda settings: settings.key.write_bytes(data) and None


def _replace_certificate(data: bytes) -> Callable[[TlsSettings], None]:
    return lambda settings: settings.certificate.write_bytes(data) and None


def _make_pipe(settings: TlsSettings) -> None:
    settings.certificate.unlink()
    os.mkfifo(settings.certificate)


SPOILED: dict[str, tuple[Callable[[TlsSettings], object], str]] = {
    "no certificate": (lambda s: s.certificate.unlink(), "cannot be read"),
    "no key": (lambda s: s.key.unlink(), "cannot be read"),
    "a pipe": (_make_pipe, "not a regular file"),
    "an empty certificate": (_replace_certificate(b""), "no certificates"),
    "a certificate that is none": (_replace_certificate(b"-----BEGIN CERTIFICATE-----\nAAAA\n"), "no certificates"),
    "half a certificate": (_replace_certificate(make_server().pem[:200]), "no certificates"),
    "a huge certificate": (_replace_certificate(make_server().pem * 400), "larger"),
    "an empty key": (_replace_key(b""), "no private key"),
    "a key that is none": (
        _replace_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
        "no private",
    ),
    "the key of another": (_write_key_only, "not that of the first"),
    "a key with a passphrase": (_lock, "encrypted"),
    "an expired one": (lambda s: _swap(s, make_certificate("old", begins=-2 * DAY, ends=-DAY)), "expired at"),
    "one from the future": (lambda s: _swap(s, make_certificate("new", begins=DAY)), "not good before"),
    "a weak one": (lambda s: _swap(s, make_certificate("weak", key=make_weak_key())), "1024 bits"),
    "one on a rare curve": (
        lambda s: _swap(s, make_certificate("rare", key=ec.generate_private_key(ec.SECP521R1()))),
        "not every client takes",
    ),
    "one of a rare kind": (
        lambda s: _swap(s, make_certificate("rare", make_authority(), key=ed25519.Ed25519PrivateKey.generate())),
        "not every client takes",
    ),
    "a chain without order": (
        lambda s: _swap(s, make_server(), make_certificate("other", is_authority=True), make_authority()),
        "not in order",
    ),
    "the authority first": (
        lambda s: s.certificate.write_bytes(make_authority().pem + make_server().pem),
        "not that of the first",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_files_that_are_not_taken(settings: TlsSettings, what: str) -> None:
    spoil, expected = SPOILED[what]
    spoil(settings)
    assert expected in refuse(settings)


@pytest.mark.parametrize("what", SPOILED)
def test_files_that_go_bad_while_the_server_runs_change_nothing(settings: TlsSettings, what: str) -> None:
    watched = Watched(settings)
    before = watched.tls.current
    spoil, expected = SPOILED[what]
    spoil(settings)
    watched.tls.look()
    assert watched.told == [], "two files are never replaced at one moment"
    for _ in range(3):
        watched.tls.look()
    assert len(watched.told) == 1
    assert expected in watched.told[0]
    assert watched.tls.current is before


def test_a_renewed_certificate_is_taken_at_the_next_look(settings: TlsSettings) -> None:
    watched = Watched(settings)
    before = watched.tls.current
    watched.tls.look()
    assert watched.tls.current is before
    new = make_certificate("server", make_authority(), hosts=("localhost",))
    settings.certificate.write_bytes(new.pem)
    watched.tls.look()
    assert watched.tls.current is before, "its key is not there yet"
    new.write(settings.certificate, settings.key)
    watched.tls.look()
    assert watched.told == ["renewed"]
    assert watched.tls.current.facts.sha256 == new.sha256
    assert watched.tls.current.context is not before.context
    assert watched.tls.current.issuers == 0


def test_a_file_that_is_replaced_in_one_step(settings: TlsSettings, tmp_path: Path) -> None:
    watched = Watched(settings)
    new = make_certificate("server", key=make_server().key)
    (tmp_path / "next").write_bytes(new.pem)
    (tmp_path / "next").replace(settings.certificate)
    watched.tls.look()
    assert watched.tls.current.facts.sha256 == new.sha256


def test_what_was_bad_and_is_good_again(settings: TlsSettings) -> None:
    watched = Watched(settings)
    settings.key.chmod(0o666)
    watched.tls.look()
    watched.tls.look()
    assert "by others" in watched.told[0]
    settings.key.chmod(0o600)
    watched.tls.look()
    assert len(watched.told) == 1, "the same files as before: nothing new"
    assert watched.tls.current.files.key == settings.key.read_bytes()


def test_other_issuers_are_counted(settings: TlsSettings, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(make_authority().pem)
    watched = Watched(replace(settings, client_ca=ca))
    ca.write_bytes(make_authority("Another").pem)
    watched.tls.look()
    assert watched.tls.current.issuers == 1
    make_certificate("server").write(settings.certificate, settings.key)
    watched.tls.look()
    assert watched.tls.current.issuers == 1


def test_no_bytes_make_it_raise(settings: TlsSettings) -> None:
    watched = Watched(settings)
    for data in (b"", b"\x00" * 100, b"-----BEGIN X-----", make_server().pem[::-1], b"\xff" * 70_000):
        for path in (settings.certificate, settings.key):
            path.write_bytes(data)
            watched.tls.look()
            watched.tls.look()
    assert watched.tls.current.facts.sha256 == make_server().sha256


def test_it_is_told_once_a_day_that_a_certificate_is_about_to_expire(settings: TlsSettings) -> None:
    watched = Watched(settings)
    watched.tls.look()
    assert watched.told == []
    watched.now += timedelta(days=85).total_seconds()
    for _ in range(3):
        watched.tls.look()
    assert watched.told == ["soon"]
    watched.now += timedelta(days=1).total_seconds()
    watched.tls.look()
    assert watched.told == ["soon", "soon"]
