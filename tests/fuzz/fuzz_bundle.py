"""Fuzzes the readers of signature files, statements, key statements, chunk files and public keys."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ostiary.trust", "ostiary.core"]):
    from ostiary.trust.chunk_file import parse_chunk_file
    from ostiary.trust.key_statements import is_rotation
    from ostiary.trust.legacy import parse_legacy_statement
    from ostiary.trust.paths import check_paths
    from ostiary.trust.public_key import parse_public_key
    from ostiary.trust.statement import parse_statement
    from ostiary.trust.verify import SignatureFile, read_claim

from ostiary.errors import TrustRefused

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "oms" / "bundles"


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    for parse in (parse_statement, parse_legacy_statement, parse_chunk_file, is_rotation, parse_public_key, _claim):
        try:
            parse(data)
        except TrustRefused as refused:
            if not refused.message.isprintable() or len(refused.message) > 3_000:
                raise AssertionError(refused.message) from refused
    try:
        check_paths(read_claim(_wrap(data)).statement)
    except TrustRefused as refused:
        if not refused.message.isprintable():
            raise AssertionError(refused.message) from refused


def _claim(data: bytes) -> None:
    check_paths(read_claim(SignatureFile("model.sig", data), legacy=True).statement)


def _wrap(payload: bytes) -> SignatureFile:
    """The input as the payload of a bundle, so that the statement's reader is reached in one step."""
    value = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {
            "payload": b64encode(payload).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "AAAA"}],
        },
    }
    return SignatureFile("model.sig", json.dumps(value).encode())


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for path in sorted(VECTORS.glob("*/*.json")):
        shutil.copy(path, place / path.name)
    atheris.Setup([*sys.argv, str(place)], TestOneInput)
    atheris.Fuzz()
