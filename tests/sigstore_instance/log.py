"""The transparency log, in its first and its second version: entries, proofs, checkpoints, promises."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from sigstore_instance.authority import make_native, render_spki

ORIGIN = "log.acme.example"


class TransparencyLog:
    """A Merkle tree (RFC 6962) that lives as long as the test; others have written to it before."""

    def __init__(self, number: int = 2) -> None:
        self.key = make_native(number)
        self.key_id = hashlib.sha256(render_spki(self.key.public_key())).digest()
        self.bodies = [f"somebody else's entry {i}".encode() for i in range(5)]

    def add_first_version(self, request: dict[str, Any]) -> dict[str, Any]:
        """What `POST /api/v1/log/entries` answers to a proposed `dsse` entry."""
        _expect(request, {"apiVersion", "kind", "spec"})
        assert (request["apiVersion"], request["kind"]) == ("0.0.1", "dsse")
        stated = {name: value for name, value in request["spec"].items() if value is not None}
        _expect(stated, {"proposedContent"})
        proposed = request["spec"]["proposedContent"]
        _expect(proposed, {"envelope", "verifiers"})
        envelope = json.loads(proposed["envelope"])
        (verifier,) = proposed["verifiers"]
        certificate = x509.load_pem_x509_certificate(b64decode(verifier, validate=True))
        payload = b64decode(envelope["payload"], validate=True)
        signature = envelope["signatures"][0]["sig"]
        kind = envelope["payloadType"]
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
        _public_key(certificate).verify(b64decode(signature), pae, ec.ECDSA(hashes.SHA256()))
        spec = {
            "envelopeHash": _hash(proposed["envelope"].encode()),
            "payloadHash": _hash(payload),
            "signatures": [{"signature": signature, "verifier": verifier}],
        }
        body = _canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
        index, proof = self._append(body)
        entry = {
            "body": b64encode(body).decode(),
            "integratedTime": int(datetime.now(UTC).timestamp()),
            "logID": self.key_id.hex(),
            "logIndex": index,
        }
        promise = self.key.sign(_canonical(entry), ec.ECDSA(hashes.SHA256()))
        verification = {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"],
                "hashes": [node.hex() for node in proof["hashes"]],
                "logIndex": index,
                "rootHash": proof["root"].hex(),
                "treeSize": proof["size"],
            },
            "signedEntryTimestamp": b64encode(promise).decode(),
        }
        return {"24296fb24b8ad77a": {**entry, "verification": verification}}

    def add_second_version(self, request: dict[str, Any]) -> dict[str, Any]:
        """What `POST /api/v2/log/entries` answers to a `hashedrekord`; it gives no time."""
        _expect(request, {"hashedRekordRequestV002"})
        wanted = request["hashedRekordRequestV002"]
        _expect(wanted, {"digest", "signature"})
        _expect(wanted["signature"], {"content", "verifier"})
        _expect(wanted["signature"]["verifier"], {"x509Certificate", "keyDetails"})
        assert wanted["signature"]["verifier"]["keyDetails"] == "PKIX_ECDSA_P256_SHA_256"
        raw = wanted["signature"]["verifier"]["x509Certificate"]["rawBytes"]
        certificate = x509.load_der_x509_certificate(b64decode(raw, validate=True))
        _public_key(certificate).verify(
            b64decode(wanted["signature"]["content"]),
            b64decode(wanted["digest"], validate=True),
            ec.ECDSA(Prehashed(hashes.SHA256())),
        )
        spec = {
            "hashedRekordV002": {
                "data": {"algorithm": "SHA2_256", "digest": wanted["digest"]},
                "signature": wanted["signature"],
            }
        }
        body = _canonical({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
        index, proof = self._append(body)
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64encode(self.key_id).decode()},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": None,
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64encode(proof["root"]).decode(),
                "treeSize": str(proof["size"]),
                "hashes": [b64encode(node).decode() for node in proof["hashes"]],
                "checkpoint": {"envelope": proof["checkpoint"]},
            },
            "canonicalizedBody": b64encode(body).decode(),
        }

    def _append(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.bodies.append(body)
        leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in self.bodies]
        index = len(leaves) - 1
        root = _root(leaves)
        note = f"{ORIGIN}\n{len(leaves)}\n{b64encode(root).decode()}\n"
        signature = self.key.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        line = b64encode(self.key_id[:4] + signature).decode()
        checkpoint = f"{note}\n\u2014 {ORIGIN} {line}\n"
        return index, {
            "root": root,
            "size": len(leaves),
            "hashes": _path(index, leaves),
            "checkpoint": checkpoint,
        }


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return hashlib.sha256(b"\x01" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*_path(index, leaves[:middle]), _root(leaves[middle:])]
    return [*_path(index - middle, leaves[middle:]), _root(leaves[:middle])]


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _canonical(value: object) -> bytes:
    """RFC 8785, for values of ASCII text and small integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _expect(value: dict[str, Any], keys: set[str]) -> None:
    assert set(value) == keys, set(value) ^ keys


def _public_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert certificate.public_bytes(Encoding.DER)
    return key
