"""What a policy says, condition by condition; each refusal is named by what an attacker tries."""

from __future__ import annotations

from typing import Any

import pytest
from policy_cases import (
    CODE,
    DAY,
    IDENTITY,
    KEY_IDS,
    NOW,
    PLACE,
    ROOT,
    SIGNERS,
    at,
    gather,
    policy_text,
    revoked_text,
    rule_text,
    seen,
    vouch,
)

from ostiary.core.tickets import FileKind
from ostiary.errors import TrustRefused
from ostiary.trust.decide import decide, explain
from ostiary.trust.decision import Level
from ostiary.trust.evidence import Evidence, Signer, SignerMethod, UnknownSignature, Vouching
from ostiary.trust.explanation import Circumstances, Explanation, Verdict
from ostiary.trust.read_policy import parse_policy
from ostiary.trust.revocation import parse_revocations

OTHER = "ef" * 32


def _ask(evidence: Evidence, data: bytes | None = None, **circumstances: Any) -> Explanation:
    return explain(parse_policy(data or policy_text()), evidence, at(**circumstances))


def _codes(answer: Explanation) -> list[str]:
    return [condition.code.name for condition in answer.failing if condition.code]


def test_a_model_that_fulfils_everything() -> None:
    answer = _ask(gather())
    assert answer.verdict is Verdict.ALLOWED
    decision = answer.decision()
    assert decision.rule == "acme/*"
    assert decision.model_id == "acme/llama"
    assert decision.level is Level.ENFORCE
    assert decision.objections == ()
    assert [str(condition.topic) for condition in answer.conditions] == (
        "revoked model signers version memory source formats code".split()
    )
    assert all(condition.holds and condition.asked and condition.found for condition in answer.conditions)


@pytest.mark.parametrize(
    ("what", "evidence", "circumstances", "code"),
    [
        ("no rule", gather(vouch(model_id="evil/llama")), {}, "TRUST_NO_RULE"),
        ("no id and nobody asked", gather(vouch(model_id=None)), {}, "TRUST_NO_RULE"),
        ("an id that imitates", gather(vouch(model_id="acme/../evil")), {}, "TRUST_NO_RULE"),
        ("served under another name", gather(), {"asked_id": "acme/other"}, "TRUST_WRONG_MODEL"),
        ("asked for what no rule has", gather(), {"asked_id": "evil/llama"}, "TRUST_WRONG_MODEL"),
        ("signed without a name", gather(vouch(model_id=None)), {"asked_id": "acme/llama"}, "TRUST_WRONG_SIGNER"),
        ("known, but not for this", gather(vouch("carol")), {}, "TRUST_WRONG_SIGNER"),
        ("keyless by somebody else", gather(vouch("ci")), {}, "TRUST_WRONG_SIGNER"),
        ("unsigned", gather(vouchings=()), {"asked_id": "acme/llama"}, "TRUST_UNSIGNED"),
        ("expired", gather(vouch(expires_at=NOW - DAY)), {}, "TRUST_EXPIRED"),
        ("expires this moment", gather(vouch(expires_at=NOW)), {}, "TRUST_EXPIRED"),
        ("from the future", gather(vouch(signed_at=NOW + DAY)), {}, "TRUST_NOT_YET_VALID"),
        ("too old", gather(vouch(model_version="0.9")), {}, "TRUST_BELOW_MINIMUM"),
        ("a pre-release of the oldest", gather(vouch(model_version="1.0-rc.1")), {}, "TRUST_BELOW_MINIMUM"),
        ("no version", gather(vouch(model_version=None)), {}, "TRUST_BELOW_MINIMUM"),
        ("older than seen", gather(), {"memory": seen("1.3", OTHER)}, "TRUST_ROLLED_BACK"),
        ("same version, other bytes", gather(), {"memory": seen("1.2.0", OTHER)}, "TRUST_ROLLED_BACK"),
        ("from elsewhere", gather(source="/mnt/models/x"), {}, "TRUST_SOURCE_NOT_ALLOWED"),
        ("from nowhere", gather(source=""), {}, "TRUST_SOURCE_NOT_ALLOWED"),
        ("another format", gather(kinds={"m.gguf": FileKind.GGUF}), {}, "TRUST_FORMAT_NOT_ALLOWED"),
        ("a program", gather(kinds={"f.mlxfn": FileKind.MLXFN}), {}, "TRUST_FORMAT_NOT_ALLOWED"),
        ("code that was let in unsafely", gather(kinds={"a.py": FileKind.CODE}), {}, "TRUST_FORMAT_NOT_ALLOWED"),
        ("code", gather(findings=(CODE,)), {}, "TRUST_CODE_NOT_ALLOWED"),
        (
            "code that the signer named",
            gather(vouch(findings=(CODE,)), findings=(CODE,)),
            {},
            "TRUST_CODE_NOT_ALLOWED",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_no(what: str, evidence: Evidence, circumstances: dict[str, Any], code: str) -> None:
    answer = _ask(evidence, **circumstances)
    assert answer.verdict is Verdict.REFUSED
    assert code in _codes(answer)
    assert all(condition.remedy for condition in answer.failing)
    with pytest.raises(TrustRefused) as refused:
        answer.decision()
    assert refused.value.code == _codes(answer)[0]
    assert "\n" not in refused.value.message + refused.value.hint


def test_decide_raises_or_returns() -> None:
    policy = parse_policy(policy_text())
    assert decide(policy, gather(), at()).rule == "acme/*"
    with pytest.raises(TrustRefused):
        decide(policy, gather(vouch("carol")), at())


def test_an_empty_policy_refuses_everything() -> None:
    answer = _ask(gather(), b"schema = 1\n[revoked]\ncount = 0\n")
    assert _codes(answer) == ["TRUST_NO_RULE"]
    assert answer.rule == "default"


class TestSigners:
    def test_two_of_three(self) -> None:
        data = policy_text(rule_text(signers='["alice", "bob", "carol"]', need="2"))
        assert _ask(gather(vouch("alice"), vouch("carol")), data).is_yes
        assert _codes(_ask(gather(vouch("alice")), data)) == ["TRUST_WRONG_SIGNER"]
        assert not _ask(gather(vouch("alice"), vouch("alice", signed_at=NOW)), data).is_yes

    def test_two_who_name_different_versions_do_not_agree(self) -> None:
        data = policy_text(rule_text(need="2"))
        assert not _ask(gather(vouch("alice"), vouch("bob", model_version="1.3")), data).is_yes
        assert _ask(gather(vouch("alice", model_version="1.3"), vouch("bob", model_version="1.3.0")), data).is_yes

    def test_one_key_under_two_names_is_one_person(self) -> None:
        data = policy_text(rule_text(signers='["alice", "ci"]', need="2"))
        ci = vouch("ci")
        same = Vouching(
            Signer(SignerMethod.SIGSTORE, KEY_IDS["alice"], IDENTITY, ci.signer.issuer), ci.statement, "x"
        )
        assert not _ask(gather(vouch("alice"), same), data).is_yes
        assert _ask(gather(vouch("alice"), same, ci), data).is_yes

    def test_the_issuer_is_part_of_who_somebody_is(self) -> None:
        data = policy_text(rule_text(signers='["ci"]'))
        assert _ask(gather(vouch("ci")), data).is_yes
        ci = SIGNERS["ci"]
        forged = Signer(ci.method, ci.key_id, ci.identity, "https://issuer.evil.example")
        assert not _ask(gather(Vouching(forged, vouch().statement, "x")), data).is_yes
        other_way = Signer(SignerMethod.CERTIFICATE, ci.key_id, ci.identity, ci.issuer)
        assert not _ask(gather(Vouching(other_way, vouch().statement, "x")), data).is_yes

    def test_only_the_needed_ones_are_counted_longest_lasting_first(self) -> None:
        evidence = gather(vouch("alice", expires_at=NOW + DAY), vouch("bob", expires_at=NOW + 9 * DAY))
        decision = _ask(evidence).decision()
        assert [v.signer for v in decision.counted] == [SIGNERS["bob"]]
        assert decision.expires_at == NOW + 9 * DAY

    def test_an_expired_one_does_not_hurt_beside_a_good_one(self) -> None:
        assert _ask(gather(vouch("alice", expires_at=NOW - DAY), vouch("bob"))).is_yes

    def test_a_clock_may_be_a_little_ahead(self) -> None:
        assert _ask(gather(vouch(signed_at=NOW + DAY / 1440))).is_yes

    def test_an_unnamed_signature_counts_where_the_rule_says_so(self) -> None:
        data = policy_text(rule_text(unnamed="true", minimum_version='"any"'))
        unnamed = gather(vouch(model_id=None, model_version=None))
        assert _ask(unnamed, data, asked_id="acme/llama").is_yes
        assert not _ask(unnamed, data).is_yes
        assert not _ask(unnamed, data, asked_id="evil/llama").is_yes

    def test_the_reason_of_an_unknown_signature_is_told(self) -> None:
        unknown = UnknownSignature(
            "b.sig", SignerMethod.KEY, "hint", "its certificate has expired", "TRUST_EXPIRED"
        )
        answer = _ask(gather(vouch("carol"), unknown=(unknown,)))
        assert _codes(answer) == ["TRUST_EXPIRED"]
        assert "its certificate has expired" in answer.failing[0].found

    def test_a_second_name_by_another_signer_does_not_hurt(self) -> None:
        data = policy_text(rule_text(), rule_text(models='"bob/*"', signers='["bob"]'))
        evidence = gather(vouch("alice"), vouch("bob", model_id="bob/mine"))
        assert _ask(evidence, data).model_id == "acme/llama"
        assert _ask(evidence, data, asked_id="bob/mine").model_id == "bob/mine"
        assert not _ask(gather(vouch("bob", model_id="bob/mine")), data, asked_id="acme/llama").is_yes


class TestMemory:
    def test_first_use_asks_unless_the_rule_accepts(self) -> None:
        answer = _ask(gather(), policy_text(rule_text(first_use=None)))
        assert _codes(answer) == ["TRUST_NOT_PINNED"]
        assert answer.is_only_unpinned
        assert _ask(gather(), policy_text(rule_text(first_use='"ask"')), memory=seen()).is_yes

    def test_asking_makes_no_sense_where_more_is_wrong(self) -> None:
        assert not _ask(gather(source=""), policy_text(rule_text(first_use=None))).is_only_unpinned

    @pytest.mark.parametrize("memory", [seen("1.2"), seen("1.1", OTHER), seen(None, OTHER), seen("1.2.0")])
    def test_the_same_and_newer_are_let_in(self, memory: Any) -> None:
        assert _ask(gather(), memory=memory).is_yes

    def test_a_version_that_is_gone_is_a_rollback(self) -> None:
        data = policy_text(rule_text(minimum_version='"any"'))
        assert _codes(_ask(gather(vouch(model_version=None)), data, memory=seen())) == ["TRUST_ROLLED_BACK"]

    def test_without_versions_other_content_needs_a_word(self) -> None:
        data = policy_text(rule_text(minimum_version='"any"'))
        unversioned = gather(vouch(model_version=None))
        assert _ask(unversioned, data, memory=seen(None)).is_yes
        assert _codes(_ask(unversioned, data, memory=seen(None, OTHER))) == ["TRUST_NOT_PINNED"]

    def test_only_a_whole_yes_may_be_remembered(self) -> None:
        assert _ask(gather()).may_be_remembered
        assert not _ask(gather(source=""), policy_text(head="level = 'warn'")).may_be_remembered


class TestRevoked:
    def test_a_stolen_key_counts_for_nothing(self) -> None:
        data = policy_text(revoked=revoked_text(f'kind = "key"\nsha256 = "{KEY_IDS["alice"]}"'))
        answer = _ask(gather(), data)
        assert _codes(answer) == ["TRUST_REVOKED"]
        assert "the laptop was stolen" in answer.failing[0].found
        assert _ask(gather(vouch("alice"), vouch("bob")), data).is_yes

    def test_an_identity(self) -> None:
        data = policy_text(
            rule_text(signers='["ci"]'), revoked=revoked_text(f'kind = "identity"\nidentity = "{IDENTITY}"')
        )
        assert _codes(_ask(gather(vouch("ci")), data)) == ["TRUST_REVOKED"]

    @pytest.mark.parametrize(
        "entry", [f'kind = "root"\nsha256 = "{ROOT}"', 'kind = "version"\nmodel = "acme/llama"\nversion = "1.2.0"']
    )
    @pytest.mark.parametrize("level", ["enforce", "warn", "audit"])
    def test_what_is_revoked_by_name_is_refused_at_every_level(self, entry: str, level: str) -> None:
        answer = _ask(gather(), policy_text(head=f"level = '{level}'", revoked=revoked_text(entry)))
        assert answer.verdict is Verdict.REFUSED
        assert _codes(answer) == ["TRUST_REVOKED"]

    def test_another_version_stands(self) -> None:
        entry = 'kind = "version"\nmodel = "acme/llama"\nversion = "1.1"'
        assert _ask(gather(), policy_text(revoked=revoked_text(entry))).is_yes

    def test_revocations_from_elsewhere_add_up(self) -> None:
        entry = f'kind = "root"\nsha256 = "{ROOT}"'
        elsewhere = parse_revocations(f"schema = 1\n{revoked_text(entry)}".encode())
        assert _codes(_ask(gather(), revocations=elsewhere)) == ["TRUST_REVOKED"]


class TestCode:
    def test_code_that_is_allowed_and_that_the_signer_named(self) -> None:
        data = policy_text(rule_text(code=f'["{CODE.rule}"]'))
        assert _ask(gather(vouch(findings=(CODE,)), findings=(CODE,)), data).is_yes

    def test_code_that_appeared_after_signing(self) -> None:
        answer = _ask(gather(findings=(CODE,)), policy_text(rule_text(code=f'["{CODE.rule}"]')))
        assert _codes(answer) == ["TRUST_CODE_NOT_ALLOWED"]
        assert "said nothing" in answer.failing[0].found

    def test_each_of_the_needed_signers_names_it(self) -> None:
        data = policy_text(rule_text(code=f'["{CODE.rule}"]', need="2"))
        one = gather(vouch("alice", findings=(CODE,)), vouch("bob"), findings=(CODE,))
        assert _codes(_ask(one, data)) == ["TRUST_CODE_NOT_ALLOWED"]


class TestLevels:
    @pytest.mark.parametrize(("level", "verdict"), [("warn", Verdict.WARNED), ("audit", Verdict.AUDITED)])
    def test_a_no_that_is_only_told(self, level: str, verdict: Verdict) -> None:
        answer = _ask(gather(vouch("carol"), source=""), policy_text(head=f"level = '{level}'"))
        assert answer.verdict is verdict
        decision = answer.decision()
        assert [objection.code for objection in decision.objections] == [
            "TRUST_WRONG_SIGNER",
            "TRUST_SOURCE_NOT_ALLOWED",
        ]
        assert str(decision.level) == level

    def test_a_rule_can_loosen_for_its_own_models_only(self) -> None:
        data = policy_text(rule_text(level='"audit"'), rule_text(models='"b/*"'))
        assert _ask(gather(source=""), data).verdict is Verdict.AUDITED
        assert _ask(gather(vouch(model_id="b/x"), source=""), data).verdict is Verdict.REFUSED
        assert _ask(gather(vouch(model_id="c/x")), data).verdict is Verdict.REFUSED

    def test_a_rule_cannot_tighten(self) -> None:
        assert (
            _ask(gather(source=""), policy_text(rule_text(level='"enforce"'), head="level = 'warn'")).verdict
            is Verdict.WARNED
        )

    def test_the_best_of_two_readings_is_the_answer(self) -> None:
        evidence = gather(vouch("alice", model_version="0.1"), vouch("bob", model_version="1.5"))
        assert str(_ask(evidence).version) == "1.5"


def test_the_newest_version_that_holds_is_chosen() -> None:
    evidence = gather(vouch("alice", model_version="1.1"), vouch("bob", model_version="1.5"))
    assert str(_ask(evidence).version) == "1.5"
    assert str(_ask(gather(vouch("carol", model_version="9"), vouch("bob"))).version) == "1.2"


def test_the_same_question_has_the_same_answer_whatever_the_order() -> None:
    one, two = vouch("alice"), vouch("bob", expires_at=NOW + DAY)
    assert _ask(gather(one, two)) == _ask(gather(two, one))


def test_hostile_words_in_evidence_stay_on_one_line() -> None:
    evidence = gather(
        vouch("carol"),
        unknown=(UnknownSignature("x\n\x1b[2J", SignerMethod.KEY, "\x07", "because\n\u202e"),),
        source="/x\n\x1b",
        findings=(type(CODE)("code.x", "a\nb"),),
    )
    for condition in _ask(evidence).conditions:
        assert (condition.found + condition.remedy + condition.asked).isprintable()


def test_evidence_is_judged_by_the_clock_that_is_given() -> None:
    evidence = gather(vouch(expires_at=NOW + DAY))
    policy = parse_policy(policy_text())
    assert explain(policy, evidence, Circumstances(NOW)).is_yes
    assert not explain(policy, evidence, Circumstances(NOW + 2 * DAY)).is_yes
    assert PLACE in explain(policy, evidence, Circumstances(NOW)).conditions[5].found
