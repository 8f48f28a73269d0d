"""The public vectors come out as they should, and what we write follows the public schemas."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forge import ALICE, CLAIMS, NOW, Authority, make_manifest, sign
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from ostiary.core.chunk_tree import ChunkTree
from ostiary.errors import TrustRefused
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.evidence import SignerMethod
from ostiary.trust.sign import sign_manifest
from ostiary.trust.statement import parse_statement
from ostiary.trust.verify import SignatureFile, read_claim

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "oms"
BUNDLES = sorted((VECTORS / "bundles").glob("*/*.json"))
METHODS = {"key": SignerMethod.KEY, "certificate": SignerMethod.CERTIFICATE, "sigstore": SignerMethod.SIGSTORE}


def _validators() -> dict[str, Draft202012Validator]:
    schemas = {
        path.name.partition(".")[0]: json.loads(path.read_text()) for path in (VECTORS / "schemas").iterdir()
    }
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
    )
    return {name: Draft202012Validator(schema, registry=registry) for name, schema in schemas.items()}


VALIDATORS = _validators()


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_public_bundle_comes_out_as_it_should(path: Path) -> None:
    file = SignatureFile(path.name, path.read_bytes())
    if path.parent.name != "valid":
        with pytest.raises(TrustRefused) as caught:
            read_claim(file)
        assert caught.value.code == "TRUST_MALFORMED"
        return
    claim = read_claim(file)
    assert claim.bundle.method is METHODS[path.name.partition(".")[0]]
    assert [signed.path for signed in claim.statement.files] == ["signme-1", "signme-2"]


def test_there_are_bundles_of_every_kind() -> None:
    assert {path.parent.name for path in BUNDLES} == {"valid", "invalid", "invalid-payload"}


def test_the_public_keyless_bundle_verifies_offline_to_its_signer() -> None:
    pytest.importorskip("sigstore")
    from ostiary.trust.sigstore_bundle import verify_sigstore_bundle

    bundle = parse_bundle((VECTORS / "bundles" / "valid" / "sigstore.bundle.json").read_bytes())
    signer = verify_sigstore_bundle(bundle)
    assert (signer.identity, signer.issuer) == ("stefanb@us.ibm.com", "https://sigstore.verify.ibm.com/oauth2")
    for bent in (replace(bundle, payload=bundle.payload + b" "), _with_other_signature(bundle.raw)):
        with pytest.raises(TrustRefused) as caught:
            verify_sigstore_bundle(bent)
        assert caught.value.code == "TRUST_BAD_SIGNATURE"


def _with_other_signature(raw: bytes) -> Any:
    value = json.loads(raw)
    value["dsseEnvelope"]["signatures"][0]["sig"] = json.loads(sign().data)["dsseEnvelope"]["signatures"][0]["sig"]
    return parse_bundle(json.dumps(value).encode())


@pytest.mark.parametrize("kind", ["key", "certificate", "chunks"])
def test_what_we_write_follows_the_public_schemas(kind: str) -> None:
    if kind == "certificate":
        data = Authority().sign_as().data
    elif kind == "chunks":
        tree = ChunkTree(1 << 20, "ab" * 32)
        claims = replace(CLAIMS, expires_at=NOW.replace(year=NOW.year + 1), claims={"license": "MIT"})
        data = sign_manifest(make_manifest(), ALICE, claims, chunks={"config.json": tree})
    else:
        data = sign().data
    value = json.loads(data)
    VALIDATORS["bundle"].validate(value)
    VALIDATORS["envelope"].validate(value["dsseEnvelope"])
    statement = json.loads(b64decode(value["dsseEnvelope"]["payload"]))
    VALIDATORS["statement"].validate(statement)
    VALIDATORS["predicate"].validate(statement["predicate"])


def test_the_same_model_gives_the_same_statement() -> None:
    first, second = (parse_bundle(sign().data) for _ in range(2))
    assert first.payload == second.payload
    assert parse_statement(first.payload).root == make_manifest().root
