"""Signatures cross both ways with the reference, model-signing 1.1.1, and what it lets through is refused here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("model_signing")

import model_signing.hashing
import model_signing.signing
import model_signing.verifying
from cryptography.hazmat.primitives.serialization import Encoding
from forge import Authority, bend_statement, make_key, make_manifest, resources, set_root

from ostiary.core.tickets import FileKind
from ostiary.errors import Misuse, Refusal, TrustRefused
from ostiary.record.events import Event
from ostiary.testing import HostilePublisher
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key
from ostiary.trust.judge import Verification
from ostiary.trust.material import TrustMaterial
from ostiary.trust.private_key import CURVE_NAMES, PrivateKey, render_private_key
from ostiary.trust.sign_model import SignRequest
from ostiary.trust.signers import FileHolder
from ostiary.walks.model_walk import VerifyRequest, sign_model, verify_model

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
IDENTITY = "release@acme.example"


def _ignore(_count: int) -> None:
    """Nobody watches."""


def verify_here(
    model: Path, key: PrivateKey | None = None, root: bytes | None = None, **request: object
) -> Verification:
    material = TrustMaterial(keys=[key.public_key] if key else [], roots_der=[root] if root else [])
    question = VerifyRequest(
        material=material,
        decide=lambda evidence: decide_by_key(evidence, NOW, named=NamedSigner(IDENTITY)),
        now=datetime.now(UTC),
        source="",
        **request,  # type: ignore[arg-type]
    )
    events: list[Event] = []
    return verify_model(model, events.append, question, start=_ignore, advance=_ignore)


def sign_here(
    model: Path,
    key: PrivateKey,
    certificates: tuple[bytes, ...] = (),
    *,
    for_reference: bool = False,
    **claims: object,
) -> Path:
    request = SignRequest(
        FileHolder(key),
        ModelClaims(signed_at=NOW, **claims),  # type: ignore[arg-type]
        certificates=certificates,
        for_reference=for_reference,
        tree_from_bytes=1_000,
    )
    return sign_model(model, [].append, request, start=_ignore, advance=_ignore).path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Directories whose names sort differently by component and by code point."""
    model = HostilePublisher(tmp_path).publish_honest()
    for path in ("a-b/README.md", "a/README.md", "a.md", "zz/LICENSE", "README (copy).md"):
        (model / path).parent.mkdir(exist_ok=True)
        (model / path).write_text("# a document\n", encoding="utf-8")
    return model


def write_key(directory: Path, key: PrivateKey) -> tuple[Path, Path]:
    (directory / "signer.key").write_bytes(render_private_key(key, None))
    (directory / "signer.pub").write_bytes(key.public_key.pem)
    return directory / "signer.key", directory / "signer.pub"


def sign_there(model: Path, private: Path, ignored: tuple[Path, ...] = (), signature: Path | None = None) -> None:
    signature = signature or model / "model.sig"
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[*ignored, signature], ignore_git_paths=False)
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=private)
    config.set_hashing_config(hashing).sign(model, signature)


def verify_there(model: Path, public: Path, signature: Path | None = None, *, follows_links: bool = False) -> None:
    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=public)
    if follows_links:
        config.set_hashing_config(model_signing.hashing.Config().set_allow_symlinks(True))
    config.verify(model, signature or model / "model.sig")


# --- both ways -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_keys_cross_both_ways(model: Path, tmp_path: Path, curve: str) -> None:
    key = make_key(9, curve)
    private, public = write_key(tmp_path, key)
    sign_there(model, private)
    assert verify_here(model, key).ticket.signers == (f"key:{key.public_key.key_id}",)
    (model / "model.sig").unlink()
    sign_here(model, key, model_id="acme/llama", model_version="1.0", expires_at=NOW + DAY, claims={"a": "b"})
    assert (model / "model.chunks.json").exists()
    verify_there(model, public)
    assert verify_here(model, key).ticket.model_id == "acme/llama"


def test_a_second_signature_beside_the_first_disturbs_nobody(model: Path, tmp_path: Path) -> None:
    first, second = make_key(9), make_key(10)
    _, public = write_key(tmp_path, first)
    assert sign_here(model, first).name == "model.sig"
    assert sign_here(model, second).name == "model.2.sig"
    assert sign_here(model, first).name == "model.sig"
    verify_there(model, public)
    assert verify_here(model, second).ticket.signers == (f"key:{second.public_key.key_id}",)


@pytest.mark.parametrize("form", ["directory", "file"])
def test_certificates_cross_both_ways(model: Path, tmp_path: Path, form: str) -> None:
    pytest.importorskip("OpenSSL")
    signature = model / "model.sig"
    if form == "file":
        model = model / "model.safetensors"
        signature = model.with_name("model.safetensors.sig")
    key = make_key(9)
    root = Authority(60, "root", begins=NOW - DAY, ends=NOW + 9 * DAY)
    between = Authority(61, "between", root, begins=NOW - DAY, ends=NOW + 9 * DAY)
    leaf = between.issue(key.native.public_key(), begins=NOW - DAY, ends=NOW + DAY, san=IDENTITY)
    private, _ = write_key(tmp_path, key)
    for name, certificate in (("leaf", leaf), ("between", between.certificate), ("root", root.certificate)):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    config = model_signing.signing.Config().use_certificate_signer(
        private_key=private, signing_certificate=tmp_path / "leaf.pem", certificate_chain=[tmp_path / "between.pem"]
    )
    config.set_hashing_config(hashing).sign(model, signature)
    assert verify_here(model, root=root.der).ticket.signers == (f"certificate:{IDENTITY}",)
    signature.unlink()
    sign_here(model, key, (leaf.public_bytes(Encoding.DER), between.der), for_reference=form == "file")
    verifier = model_signing.verifying.Config().use_certificate_verifier(certificate_chain=[tmp_path / "root.pem"])
    verifier.verify(model, signature)
    assert verify_here(model, root=root.der).ticket.signers == (f"certificate:{IDENTITY}",)


@pytest.fixture
def weights(model: Path, tmp_path: Path) -> Path:
    """A model that is one file, alone in its directory."""
    weights = tmp_path / "alone" / "model.safetensors"
    weights.parent.mkdir()
    shutil.copy(model / "model.safetensors", weights)
    return weights


def test_one_file_that_the_reference_signed(weights: Path, tmp_path: Path) -> None:
    """As a file, which it calls ".", and as a directory that holds it, which is the specification's statement."""
    key = make_key(9)
    private, _ = write_key(tmp_path, key)
    signature = weights.with_name("model.safetensors.sig")
    for signed in (weights, weights.parent):
        sign_there(signed, private, signature=signature)
        assert verify_here(weights, key).ticket.files[0].kind is FileKind.SAFETENSORS
        signature.unlink()


def test_one_file_that_is_signed_here(weights: Path, tmp_path: Path) -> None:
    """The reference reads the specification's name where it is given the directory."""
    key = make_key(9)
    _, public = write_key(tmp_path, key)
    signature = sign_here(weights, key)
    assert signature == weights.with_name("model.safetensors.sig")
    assert verify_here(weights, key).ticket.files[0].path == "model.safetensors"
    verify_there(weights.parent, public, signature)
    with pytest.raises(ValueError, match="mismatch"):
        verify_there(weights, public, signature)
    (weights.parent / "notes.md").write_text("beside it", encoding="utf-8")
    with pytest.raises(ValueError, match=r"Extra files.*notes\.md"):
        verify_there(weights.parent, public, signature)
    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=public)
    config.set_ignore_unsigned_files(True).verify(weights.parent, signature)


def test_one_file_that_is_signed_here_for_the_reference(weights: Path, tmp_path: Path) -> None:
    key = make_key(9)
    _, public = write_key(tmp_path, key)
    signature = sign_here(weights, key, for_reference=True)
    verify_there(weights, public, signature)
    assert verify_here(weights, key).ticket.files[0].path == "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(TrustRefused) as caught:
        verify_here(weights, key)
    assert caught.value.code == "TRUST_DIGEST_MISMATCH"


@pytest.mark.parametrize(
    "names", [["model.safetensors"], ["."], [".", "model.safetensors"], ["model.safetensors", "."], [""], ["./"]]
)
def test_no_names_for_one_file_are_those_of_the_specification_and_of_the_reference(
    weights: Path, tmp_path: Path, names: list[str]
) -> None:
    """Hence a choice (docs/adr/0023-single-files.md): the specification knows but one name, the reference another."""
    key = make_key(9)
    _, public = write_key(tmp_path, key)

    def bend(value: dict) -> None:  # type: ignore[type-arg]
        (listed,) = resources(value)
        value["predicate"]["resources"] = [{**listed, "name": name} for name in names]
        set_root(value)

    signature = weights.with_name("model.safetensors.sig")
    manifest = make_manifest({weights.name: weights.read_bytes()}, weights.name)
    signature.write_bytes(bend_statement(bend, FileHolder(key), manifest).data)
    try:
        verify_there(weights, public, signature)
    except ValueError:
        is_read_there = False
    else:
        is_read_there = True
    assert not (is_read_there and names == ["model.safetensors"])
    assert is_read_there == (names in [["."], [""], ["./"]])


def test_a_directory_is_signed_alike_for_everybody(model: Path, tmp_path: Path) -> None:
    key = make_key(9)
    _, public = write_key(tmp_path, key)
    payloads = []
    for for_reference in (False, True):
        signature = sign_here(model, key, for_reference=for_reference)
        verify_there(model, public)
        payloads.append(json.loads(signature.read_bytes())["dsseEnvelope"]["payload"])
    assert payloads[0] == payloads[1]


def test_shards_which_the_reference_has_and_ours_does_not(model: Path, tmp_path: Path) -> None:
    key = make_key(9)
    private, _ = write_key(tmp_path, key)
    hashing = model_signing.hashing.Config()
    hashing.use_shard_serialization(hashing_algorithm="sha256", shard_size=1_000)
    hashing.set_ignored_paths(paths=[model / "model.sig"], ignore_git_paths=False)
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=private)
    config.set_hashing_config(hashing).sign(model, model / "model.sig")
    with pytest.raises(TrustRefused) as caught:
        verify_here(model, key)
    assert caught.value.code == "TRUST_UNSUPPORTED"


# --- what the reference lets through -------------------------------------------------------------------------------

Attack = Callable[[Path, Path], None]
ATTACKS: dict[str, tuple[Attack, str]] = {}


def attack(code: str) -> Callable[[Attack], Attack]:
    def register(act: Attack) -> Attack:
        ATTACKS[act.__name__] = (act, code)
        return act

    return register


@attack("TRUST_EXTRA_FILE")
def a_file_in_the_git_directory(model: Path, private: Path) -> None:
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=private)
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[model / "model.sig"])
    config.set_hashing_config(hashing).sign(model, model / "model.sig")
    (model / ".git").mkdir()
    (model / ".git" / "README.md").write_text("anything", encoding="utf-8")


@attack("TRUST_EXTRA_FILE")
def a_file_that_the_signer_chose_not_to_see(model: Path, private: Path) -> None:
    sign_there(model, private, ignored=(model / "zz",))
    (model / "zz" / "README.md").write_text("anything", encoding="utf-8")


@attack("INTAKE_PATH_ESCAPE")
def a_directory_that_is_a_link(model: Path, private: Path) -> None:
    hashing = model_signing.hashing.Config().set_allow_symlinks(True)
    hashing.set_ignored_paths(paths=[model / "model.sig"], ignore_git_paths=False)
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=private)
    config.set_hashing_config(hashing).sign(model, model / "model.sig")
    elsewhere = model.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "README.md").write_text("anything", encoding="utf-8")
    (model / "linked").symlink_to(elsewhere)


@attack("TRUST_MALFORMED")
def no_files_and_everything_ignored(model: Path, _private: Path) -> None:
    def bend(value: dict) -> None:  # type: ignore[type-arg]
        value["predicate"]["resources"] = []
        value["predicate"]["serialization"]["ignore_paths"] = ["."]
        value["subject"][0]["digest"]["sha256"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    _write_bent(model, bend)


@attack("TRUST_MALFORMED")
def one_name_twice(model: Path, _private: Path) -> None:
    _bend_resources(model, lambda listed: listed.insert(0, {**listed[0], "digest": "00" * 32}))


@attack("TRUST_MALFORMED")
def a_name_with_a_dot_before_it(model: Path, _private: Path) -> None:
    _bend_resources(model, lambda listed: listed[0].update(name=f"./{listed[0]['name']}"))


@attack("TRUST_MALFORMED")
def a_name_that_leads_out_and_in_again(model: Path, _private: Path) -> None:
    _bend_resources(model, lambda listed: listed[0].update(name=f"../{model.name}/{listed[0]['name']}"))


def _write_bent(model: Path, bend: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    bent = bend_statement(bend, FileHolder(make_key(9)), make_manifest(files, model.name))
    (model / "model.sig").write_bytes(bent.data)


def _bend_resources(model: Path, bend: Callable[[list], object]) -> None:  # type: ignore[type-arg]
    import hashlib

    def bend_all(value: dict) -> None:  # type: ignore[type-arg]
        listed = value["predicate"]["resources"]
        bend(listed)
        root = hashlib.sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in listed))
        value["subject"][0]["digest"]["sha256"] = root.hexdigest()

    _write_bent(model, bend_all)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_the_reference_lets_through_is_refused_here(model: Path, tmp_path: Path, name: str) -> None:
    act, code = ATTACKS[name]
    private, public = write_key(tmp_path, make_key(9))
    act(model, private)
    with pytest.raises(Refusal) as caught:
        verify_here(model, make_key(9))
    assert caught.value.code == code
    if name in {"one_name_twice", "a_name_with_a_dot_before_it", "a_name_that_leads_out_and_in_again"}:
        return  # the reference takes these from its own signer only in some spellings; ours refuses all
    verify_there(model, public, follows_links=name == "a_directory_that_is_a_link")


def test_a_certificate_that_expired_years_ago_or_was_issued_for_tls(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL")
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = make_key(9)
    root = Authority(60, "root", begins=NOW - 4_000 * DAY, ends=NOW + 9 * DAY)
    (tmp_path / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    for bent, code in (
        ({"begins": NOW - 3_000 * DAY, "ends": NOW - 2_000 * DAY}, "TRUST_EXPIRED"),
        (
            {"begins": NOW - DAY, "ends": NOW + DAY, "purposes": [ExtendedKeyUsageOID.SERVER_AUTH]},
            "TRUST_WRONG_SIGNER",
        ),
    ):
        file = root.sign_as(FileHolder(key), manifest=make_manifest(files, model.name), **bent)
        (model / "model.sig").write_bytes(file.data)
        verifier = model_signing.verifying.Config().use_certificate_verifier(
            certificate_chain=[tmp_path / "root.pem"]
        )
        if code == "TRUST_EXPIRED":  # whether a TLS certificate passes depends on the installed OpenSSL
            verifier.verify(model, model / "model.sig")
        with pytest.raises(TrustRefused) as caught:
            verify_here(model, root=root.der)
        assert caught.value.code == code


@pytest.mark.parametrize("by_chunks", [True, False])
def test_bytes_written_behind_the_hasher(model: Path, monkeypatch: pytest.MonkeyPatch, by_chunks: bool) -> None:
    """The reference hashes and never looks back. What is written after the verdict is for the vault."""
    from ostiary.intake import hashing

    monkeypatch.setattr(hashing, "_WORTH_CHUNKS_BYTES", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    key = make_key(9)
    sign_here(model, key)
    assert verify_here(model, key, by_chunks=by_chunks).ticket
    weights = model / "model.safetensors"
    done = 0

    def write_behind(count: int) -> None:
        nonlocal done
        done += count
        if done > 20_000:
            with weights.open("r+b") as file:
                file.seek(-1, 2)
                file.write(b"\x01")

    material = TrustMaterial(keys=[key.public_key])
    request = VerifyRequest(material, lambda e: decide_by_key(e, NOW), NOW, "", by_chunks=by_chunks)
    with pytest.raises(Refusal) as caught:
        verify_model(model, [].append, request, start=_ignore, advance=write_behind)
    assert caught.value.code == "INTAKE_CHANGED"


def test_an_older_version_and_another_name_are_told_from_the_asked_one(model: Path) -> None:
    key = make_key(9)
    sign_here(model, key, model_id="acme/small", model_version="1.0")
    verification = verify_here(model, key)
    assert (verification.ticket.model_id, verification.ticket.model_version) == ("acme/small", "1.0")
    with pytest.raises(TrustRefused) as caught:
        decide_by_key(verification.evidence, NOW, model_id="acme/large")
    assert caught.value.code == "TRUST_WRONG_MODEL"


def test_our_statement_names_no_more_than_our_own_files_as_ignored(model: Path) -> None:
    from ostiary.core.signature_files import EVIDENCE_FILES
    from ostiary.trust.bundle import parse_bundle
    from ostiary.trust.statement import parse_statement

    sign_here(model, make_key(9))
    statement = parse_statement(parse_bundle((model / "model.sig").read_bytes()).payload)
    assert set(statement.ignored_paths) == EVIDENCE_FILES
    assert json.loads((model / "model.chunks.json").read_bytes())["format"] == "ostiary.chunks/v1"


def test_a_stale_signature_is_not_taken_away_unasked(model: Path) -> None:
    sign_here(model, make_key(9))
    (model / "a.md").write_text("# changed\n", encoding="utf-8")
    with pytest.raises(Misuse):
        sign_here(model, make_key(10))
    sign_here(model, make_key(9))  # one's own is
    assert verify_here(model, make_key(9)).ticket
