"""`verify_model` from the directory to its ending: whose no is told, and that it is told once."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import ALICE, MALLORY, NOW, Authority, make_manifest, sign

from ostiary.errors import (
    EXTRA_MISSING,
    RECORD_UNWRITABLE,
    IntakeRefused,
    Misuse,
    OstiaryError,
    RecordUnwritable,
    Refusal,
    SourceUnreadable,
    TrustRefused,
)
from ostiary.intake import examine, examine_model
from ostiary.intake.keep import KeepBudget
from ostiary.record.events import Event, ModelFailed, ModelInspected, ModelRefused, ModelVerified
from ostiary.testing import HostilePublisher
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key, is_named
from ostiary.trust.evidence import Evidence
from ostiary.trust.judge import Decide, Verification
from ostiary.trust.material import TrustMaterial
from ostiary.trust.signers import FileHolder
from ostiary.trust.verify import UnsafeAllowances
from ostiary.walks.model_walk import VerifyRequest, verify_model

ENDINGS = (ModelVerified, ModelRefused, ModelFailed)
BY_ALICE = TrustMaterial(keys=[ALICE.public_key])


def decide(evidence: Evidence) -> object:
    return decide_by_key(evidence, NOW)


def sign_as_it_lies(model: Path, holder: FileHolder = ALICE) -> None:
    """A right signature over whatever is there, also over what intake refuses."""
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    (model / "model.sig").write_bytes(sign(make_manifest(files, model.name), holder).data)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = HostilePublisher(tmp_path).publish_honest()
    sign_as_it_lies(model)
    return model


def walk(
    model: Path,
    events: list[Event],
    material: TrustMaterial = BY_ALICE,
    decided: Decide = decide,  # type: ignore[assignment]
    **request: object,
) -> Verification:
    asked = VerifyRequest(material, decided, NOW, "", **request)  # type: ignore[arg-type]
    return verify_model(model, events.append, asked, start=lambda _: None, advance=lambda _: None)


def refuse(model: Path, material: TrustMaterial = BY_ALICE, **request: object) -> tuple[Refusal, list[Event]]:
    """The refusal and the events; the refusal is the only ending, and joined to it."""
    events: list[Event] = []
    with pytest.raises(Refusal) as caught:
        walk(model, events, material, **request)
    (ending,) = (event for event in events if isinstance(event, ENDINGS))
    assert isinstance(ending, ModelRefused)
    assert ending is events[-1]
    assert (ending.code, ending.correlation_id) == (caught.value.code, caught.value.correlation_id)
    assert "\n" not in caught.value.message
    assert str(model.parent) not in caught.value.message + repr(events)
    return caught.value, events


def break_format(model: Path) -> None:
    (model / "config.json").write_bytes(b'{"model_type": "llama",')


# --- what a believed signer says comes before what intake says -------------------------------------------------------


def test_a_file_whose_format_was_broken_is_not_the_one_that_was_signed(model: Path) -> None:
    break_format(model)
    own = examine_model(model).refusal
    assert own is not None
    refusal, events = refuse(model)
    assert isinstance(refusal, TrustRefused)
    assert (refusal.code, refusal.path) == ("TRUST_DIGEST_MISMATCH", "config.json")
    assert own.code in refusal.message
    assert refusal.findings == own.findings
    assert isinstance(refusal.__cause__, IntakeRefused)
    (event,) = events
    assert isinstance(event, ModelRefused)
    assert (event.rule, event.path) == (None, "config.json")
    assert event.findings == {finding.rule.id: 1 for finding in own.findings}


def test_a_file_that_intake_refuses_and_nobody_signed(model: Path) -> None:
    (model / "modeling.py").write_text("print()", encoding="utf-8")
    refusal, _ = refuse(model)
    assert refusal.code == "TRUST_EXTRA_FILE"
    assert isinstance(refusal.__cause__, IntakeRefused)


def test_an_unsafe_option_never_lets_in_what_intake_refuses(model: Path) -> None:
    (model / "modeling.py").write_text("print()", encoding="utf-8")
    for allowances in (UnsafeAllowances(frozenset({"modeling.py"})), UnsafeAllowances(leave_out_unsigned=True)):
        refusal, _ = refuse(model, allowances=allowances)
        assert refusal.code == "INTAKE_CARRIES_CODE"


def test_a_signed_file_that_is_gone(model: Path) -> None:
    (model / "config.json").unlink()
    refusal, _ = refuse(model)
    assert (refusal.code, refusal.message.split(":")[0]) == ("TRUST_MISSING_FILE", "config.json")


def test_what_cannot_be_read_is_not_called_missing(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("../elsewhere")
    refusal, _ = refuse(model)
    assert refusal.code == "INTAKE_PATH_ESCAPE"


def test_but_an_altered_file_beside_it_is_told(model: Path) -> None:
    (model / "linked").symlink_to("../elsewhere")
    (model / "config.json").write_bytes(b"{}")
    refusal, _ = refuse(model)
    assert refusal.code == "TRUST_DIGEST_MISMATCH"


def test_a_blob_of_the_hub_cache_that_was_altered(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name" / "snapshots" / ("0" * 40)
    blobs = tmp_path / "models--org--name" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    honest = HostilePublisher(tmp_path).publish_honest()
    sign_as_it_lies(honest)
    for path in honest.iterdir():
        blob = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, blobs / blob)
        (snapshot / path.name).symlink_to(f"../../blobs/{blob}")
    assert walk(snapshot, []).ticket
    weights = (snapshot / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    refusal, _ = refuse(snapshot)
    assert (refusal.code, [f.rule.id for f in refusal.findings]) == (  # type: ignore[attr-defined]
        "TRUST_DIGEST_MISMATCH",
        ["tree.cache-digest"],
    )


def test_a_file_that_became_too_large_to_hold(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "KeepBudget", lambda: KeepBudget(10))
    assert refuse(model)[0].code == "INTAKE_TOO_LARGE"
    (model / "config.json").write_bytes(b"{}" * 1_000)
    assert refuse(model)[0].code == "TRUST_DIGEST_MISMATCH"


# --- and what anybody else says does not -----------------------------------------------------------------------------


def test_a_stranger_who_signed_other_files(model: Path) -> None:
    sign_as_it_lies(model, MALLORY)
    break_format(model)
    assert refuse(model)[0].code == "INTAKE_MALFORMED"


@pytest.mark.parametrize("identity", ["release@acme.example", "other@acme.example"])
def test_a_certificate_counts_for_whom_the_operator_named(model: Path, identity: str) -> None:
    root = Authority()
    files = {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".sig"}
    (model / "model.sig").write_bytes(root.sign_as(ALICE, manifest=make_manifest(files, model.name)).data)
    named = NamedSigner(identity)
    material = TrustMaterial(roots_der=[root.der], is_believed=lambda signer: is_named(signer, named))
    break_format(model)
    expected = "TRUST_DIGEST_MISMATCH" if identity == "release@acme.example" else "INTAKE_MALFORMED"
    assert refuse(model, material)[0].code == expected


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda data: data[:-9], lambda data: data.replace(b"MEU", b"MEV")]
)
def test_a_signature_that_is_not_right(model: Path, damage: Callable[[bytes], bytes]) -> None:
    signature = model / "model.sig"
    signature.write_bytes(damage(signature.read_bytes())[:-1] + b"!")
    break_format(model)
    assert refuse(model)[0].code == "INTAKE_MALFORMED"


def test_no_signature_at_all(model: Path) -> None:
    (model / "model.sig").unlink()
    break_format(model)
    assert refuse(model)[0].code == "INTAKE_MALFORMED"


@pytest.mark.parametrize("attack", HostilePublisher(Path()).attacks)
def test_nothing_that_intake_refuses_is_let_in_by_a_signature(tmp_path: Path, attack: str) -> None:
    model = HostilePublisher(tmp_path).publish(attack)
    sign_as_it_lies(model)
    own = examine_model(model).refusal
    assert own is not None
    refusal, events = refuse(model)
    assert isinstance(refusal, IntakeRefused)
    assert refusal.code == own.code
    assert len(events) == 1


# --- one ending, wherever it breaks off ------------------------------------------------------------------------------


def fail(model: Path, **request: object) -> tuple[Exception, list[Event]]:
    events: list[Event] = []
    with pytest.raises(Exception) as caught:  # noqa: PT011  whatever it is
        walk(model, events, **request)  # type: ignore[arg-type]
    return caught.value, events


def test_a_yes_has_one_ending_too(model: Path) -> None:
    events: list[Event] = []
    walk(model, events)
    assert [type(event) for event in events] == [ModelInspected, ModelVerified]


@pytest.mark.parametrize("error", [KeyError("x"), Misuse(EXTRA_MISSING, "no library")])
def test_a_room_that_breaks_down(model: Path, error: Exception) -> None:
    def break_down(_evidence: Evidence) -> object:
        raise error

    caught, events = fail(model, decided=break_down)
    assert caught is error
    inspected, failed = events
    assert isinstance(inspected, ModelInspected)
    assert isinstance(failed, ModelFailed)
    assert failed.correlation_id == inspected.correlation_id
    assert failed.code == ("EXTRA_MISSING" if isinstance(error, OstiaryError) else "HOUSE_INTERNAL")


def test_a_signature_file_that_cannot_be_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_descriptor: int, _most: int) -> bytes:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr("ostiary.intake.read_signatures.read_up_to", read)
    caught, events = fail(model, record_location=True)
    assert isinstance(caught, SourceUnreadable)
    assert (caught.code, "model.sig" in caught.message) == ("INTAKE_UNREADABLE", True)
    (failed,) = events
    assert isinstance(failed, ModelFailed)
    assert (failed.code, failed.correlation_id) == (caught.code, caught.correlation_id)
    assert failed.location is not None


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, "INTAKE_UNREADABLE"), (errno.ENOENT, "MODEL_NOT_FOUND")])
def test_a_signature_elsewhere_that_cannot_be_read(
    model: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def read(path: Path, _mode: str) -> object:
        raise OSError(number, "no", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", read)
        caught, events = fail(model, signatures=[model / "elsewhere.sig"])
    assert isinstance(caught, OstiaryError)
    assert caught.code == code
    assert str(model) not in caught.message
    assert len(events) == (code == "INTAKE_UNREADABLE")


def test_a_signature_file_that_is_exchanged_meanwhile(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.intake import read_signatures

    real = read_signatures.open_tree

    def open_then_change(path: Path) -> object:
        tree = real(path)
        (model / "model.sig").write_bytes(b"another")
        return tree

    monkeypatch.setattr(read_signatures, "open_tree", open_then_change)
    assert refuse(model)[0].code == "INTAKE_CHANGED"


def test_nothing_to_judge_is_no_verdict(tmp_path: Path) -> None:
    caught, events = fail(tmp_path / "absent")
    assert isinstance(caught, Misuse)
    assert events == []


def test_what_cannot_be_recorded_is_tried_once(model: Path) -> None:
    tried: list[Event] = []

    def emit(event: Event) -> None:
        tried.append(event)
        raise RecordUnwritable(RECORD_UNWRITABLE, "full")

    request = VerifyRequest(BY_ALICE, decide, NOW, "")  # type: ignore[arg-type]
    with pytest.raises(RecordUnwritable):
        verify_model(model, emit, request, start=lambda _: None, advance=lambda _: None)
    assert len(tried) == 1
