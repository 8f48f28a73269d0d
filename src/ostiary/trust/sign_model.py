"""Puts a signature beside what it signs: which file it goes into, the chunk file, and the record's line on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ostiary.core.chunk_tree import ChunkTree, choose_chunk_bytes, compute_tree_root
from ostiary.core.signature_files import CHUNKS_FILE, EVIDENCE_FILES, SIGNATURE_FILES, name_beside
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.tickets import Manifest
from ostiary.core.values import dataclass
from ostiary.errors import KEY_EXISTS, OUTPUT_UNWRITABLE, Misuse, OutputUnwritable, TrustRefused
from ostiary.record.durable import sync_directory
from ostiary.record.events import Emit, ModelSigned, UnsafeUsed
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.chunk_file import write_chunk_file
from ostiary.trust.dates import render_moment
from ostiary.trust.evidence import Signer
from ostiary.trust.keyless import KeylessHolder
from ostiary.trust.sign import KeySession, SigningSession, write_payload
from ostiary.trust.signers import KeyHolder
from ostiary.trust.statement import parse_statement
from ostiary.trust.verify import SignatureFile, find_code_notes

TREE_FROM_BYTES: Final = 64 << 20
"""Smaller files are hashed before a tree of theirs would have gained anything."""


@dataclass(frozen=True, slots=True)
class SignRequest:
    """What to sign with, and what to say."""

    holder: KeyHolder | KeylessHolder
    claims: ModelClaims
    certificates: Sequence[bytes] = ()
    output: Path | None = None
    """Where the signature goes instead of into the model."""
    for_reference: bool = False
    """Whether one file is named as the reference reads it, not as the specification wants it."""
    replaces: bool = False
    """Whether signatures over other files than these may be taken away."""
    tree_from_bytes: int | None = TREE_FROM_BYTES
    hatches: tuple[str, ...] = ()
    """`--unsafe-` options that led here."""


@dataclass(frozen=True, slots=True)
class Signable:
    """What intake accepted, and what lies beside it."""

    manifest: Manifest
    place: Path
    is_single_file: bool
    leaves: Mapping[str, Sequence[bytes]]
    existing: Sequence[SignatureFile] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of it."""

    path: Path
    signer: Signer


def sign_judged(signable: Signable, request: SignRequest, emit: Emit, correlation_id: str) -> Signed:
    """Sign what intake accepted, and write it; the record has a line on it before the file has its name."""
    manifest, model = signable.manifest, signable.place
    sizes = {entry.path: entry.size for entry in manifest.files}
    listed = {path: hashes for path, hashes in signable.leaves.items() if path in sizes}
    chunks = {
        path: ChunkTree(choose_chunk_bytes(sizes[path]), compute_tree_root(hashes).hex())
        for path, hashes in listed.items()
    }
    payload = write_payload(manifest, request.claims, chunks, for_reference=request.for_reference)
    holder = request.holder
    session = (
        holder.open_session()
        if isinstance(holder, KeylessHolder)
        else KeySession(holder, request.claims.signed_at, request.certificates)
    )
    choice = Choice("", ())
    if request.output is not None:
        target = request.output
    elif signable.is_single_file:
        target = model.with_name(name_beside(model.name))
    else:
        choice = choose_name(manifest, session, signable.existing, replaces=request.replaces)
        target = model / choice.name
    check_writable(target)  # what a keyless signer publishes cannot be taken back
    made = session.sign_payload(payload)
    for hatch in request.hatches:
        emit(UnsafeUsed(correlation_id=correlation_id, hatch=hatch, detail=quote_untrusted(manifest.name)))
    emit(_describe(manifest, request.claims, made.signer, correlation_id))
    for name in choice.stale:
        (model / name).unlink(missing_ok=True)
    if choice.name and listed:
        replace_file(model / CHUNKS_FILE, write_chunk_file(listed))
    elif choice.name and not choice.has_others:
        (model / CHUNKS_FILE).unlink(missing_ok=True)
    replace_file(target, made.data)
    return Signed(target, made.signer)


@dataclass(frozen=True, slots=True)
class Choice:
    """The file for a signature, and those to take away because they are over other files."""

    name: str
    stale: tuple[str, ...]
    has_others: bool = False


def choose_name(
    manifest: Manifest, session: SigningSession, existing: Sequence[SignatureFile], *, replaces: bool
) -> Choice:
    """One's own earlier signature is replaced; the first name that is free is for a new signer."""
    taken: set[str] = set()
    stale: list[str] = []
    own: str | None = None
    for file in existing:
        try:
            bundle = parse_bundle(file.data)
            is_over_these = parse_statement(bundle.payload).root == manifest.root
            is_own = session.is_own(bundle)
        except TrustRefused:
            is_over_these, is_own = False, False
        if is_own and own is None:
            own = file.path
        elif is_over_these:
            taken.add(file.path)
        else:
            stale.append(file.path)
    if stale and not replaces:
        names = ", ".join(quote_untrusted(name) for name in stale)
        raise Misuse(
            KEY_EXISTS,
            f"there are signatures over other files than these: {names}",
            hint="Remove them, or sign with --replace, which does.",
        )
    free = (name for name in SIGNATURE_FILES if name not in taken)
    name = own or next(free, None)
    if name is None:
        raise Misuse(KEY_EXISTS, f"there are {len(SIGNATURE_FILES)} signatures already, which is the most")
    stale = [path for path in stale if path != name and path in EVIDENCE_FILES]
    return Choice(name, tuple(stale), bool(taken))


def check_writable(target: Path) -> None:
    """Refuses before anything is made where a file could not take its name."""
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(
            OUTPUT_UNWRITABLE, f"{quote_untrusted(target.name)} cannot be written: its directory does not allow it"
        )


def replace_file(target: Path, data: bytes) -> None:
    """The new bytes under the name at once, or the old ones still."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(target.parent)
    except OSError as error:
        reason = explain_os_error(error)
        raise OutputUnwritable(
            OUTPUT_UNWRITABLE, f"{quote_untrusted(target.name)} cannot be written: {reason}"
        ) from error


def _describe(manifest: Manifest, claims: ModelClaims, signer: Signer, correlation_id: str) -> ModelSigned:
    return ModelSigned(
        correlation_id=correlation_id,
        name=quote_untrusted(manifest.name),
        root=manifest.root,
        signer=signer.name,
        model_id=claims.model_id,
        model_version=claims.model_version,
        expires=None if claims.expires_at is None else render_moment(claims.expires_at),
        findings=Counter(finding.rule for finding in find_code_notes(manifest)),
    )
