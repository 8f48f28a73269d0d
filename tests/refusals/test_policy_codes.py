"""One test for each code that the policy, its memory and its distribution refuse with, named by what brings it about."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from policy_cases import CODE, DAY, KEY_IDS, NOW, at, gather, policy_text, revoked_text, rule_text, seen, vouch

from ostiary import errors
from ostiary.core.tickets import FileKind
from ostiary.record.begin import open_log
from ostiary.trust.decide import decide
from ostiary.trust.distribution import follow_repository, read_distributed, update_trust
from ostiary.trust.evidence import Evidence
from ostiary.trust.explanation import Circumstances
from ostiary.trust.read_policy import parse_policy
from ostiary.trust.rollback import VersionMemory
from ostiary.trust.subscription import check_subscription, subscribe
from ostiary.trust.version import parse_version

OTHER = "ef" * 32
STOLEN = revoked_text(f'kind = "key"\nsha256 = "{KEY_IDS["alice"]}"')


def _follow(state: Path) -> tuple[Path, object]:
    pytest.importorskip("tuf", reason="the extra `tuf`")
    from tuf_repository import Repository

    repository = Repository(state.parent / "repository")
    follow_repository(state, str(repository.place), repository.root)
    return state, repository


DECIDED: dict[str, tuple[Evidence, Circumstances, bytes]] = {
    "TRUST_NO_RULE": (gather(vouch(model_id="evil/llama")), at(), policy_text()),
    "TRUST_WRONG_MODEL": (gather(), at(asked_id="acme/other"), policy_text()),
    "TRUST_WRONG_SIGNER": (gather(vouch("carol")), at(), policy_text()),
    "TRUST_UNSIGNED": (gather(vouchings=()), at(asked_id="acme/llama"), policy_text()),
    "TRUST_EXPIRED": (gather(vouch(expires_at=NOW - DAY)), at(), policy_text()),
    "TRUST_NOT_YET_VALID": (gather(vouch(signed_at=NOW + DAY)), at(), policy_text()),
    "TRUST_REVOKED": (gather(), at(), policy_text(revoked=STOLEN)),
    "TRUST_ROLLED_BACK": (gather(), at(memory=seen("2.0", OTHER)), policy_text()),
    "TRUST_BELOW_MINIMUM": (gather(vouch(model_version="0.9")), at(), policy_text()),
    "TRUST_NOT_PINNED": (gather(), at(), policy_text(rule_text(first_use=None))),
    "TRUST_SOURCE_NOT_ALLOWED": (gather(source="/mnt/stick"), at(), policy_text()),
    "TRUST_FORMAT_NOT_ALLOWED": (gather(kinds={"m.gguf": FileKind.GGUF}), at(), policy_text()),
    "TRUST_CODE_NOT_ALLOWED": (gather(findings=(CODE,)), at(), policy_text()),
}


@pytest.mark.parametrize("code", sorted(DECIDED))
def test_what_the_policy_refuses(code: str) -> None:
    evidence, circumstances, policy = DECIDED[code]
    with pytest.raises(errors.TrustRefused) as refused:
        decide(parse_policy(policy), evidence, circumstances)
    assert refused.value.code == code


def a_policy_with_a_field_that_does_not_exist(_state: Path) -> object:
    return parse_policy(policy_text(head="levle = 'warn'"))


def a_policy_without_end(_state: Path) -> object:
    return parse_policy(b"#" * (1 << 20))


def a_memory_that_was_emptied(state: Path) -> object:
    with open_log(state) as log:
        memory = VersionMemory(log)
        memory.remember("acme/llama", parse_version("1.2"), OTHER, correlation_id="c")
        (state / "trust" / "versions.json").write_bytes(b"")
        return memory.read()


def a_repository_that_nobody_renews(state: Path) -> object:
    followed, repository = _follow(state)
    update_trust(followed, NOW)
    return read_distributed(followed, repository.expires + timedelta(days=1))  # type: ignore[attr-defined]


def a_repository_that_is_gone(state: Path) -> object:
    followed, repository = _follow(state)
    repository.place.rename(state.parent / "elsewhere")  # type: ignore[attr-defined]
    return update_trust(followed, NOW)


def a_repository_that_was_taken_away(state: Path) -> object:
    with open_log(state) as log:
        subscribe(log, "/srv/trust", b"{}", correlation_id="c")
        shutil.rmtree(state / "trust" / "distribution")
        return check_subscription(log)


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("TRUST_MALFORMED", a_policy_with_a_field_that_does_not_exist),
        ("TRUST_TOO_LARGE", a_policy_without_end),
        ("TRUST_TAMPERED", a_memory_that_was_emptied),
        ("TRUST_NOT_FOLLOWED", a_repository_that_was_taken_away),
        ("TRUST_STALE", a_repository_that_nobody_renews),
        ("SOURCE_UNREACHABLE", a_repository_that_is_gone),
    ],
)
def test_the_act_brings_the_code(code: str, act: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        act(tmp_path / "state")
    assert caught.value.code == code
    assert caught.value.message.isprintable()
    assert str(tmp_path) not in caught.value.message


def test_an_extra_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow_repository(tmp_path, str(tmp_path / "repository"), b"{}")
    monkeypatch.setitem(sys.modules, "tuf", None)
    monkeypatch.setitem(sys.modules, "tuf.api", None)
    with pytest.raises(errors.Misuse) as misuse:
        update_trust(tmp_path, NOW)
    assert misuse.value.code == "EXTRA_MISSING"
    assert "ostiary[tuf]" in misuse.value.hint
