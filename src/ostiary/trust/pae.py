"""DSSE's pre-authentication encoding: the bytes that are signed (https://github.com/secure-systems-lab/dsse)."""

from __future__ import annotations


def build_pae(payload_type: str, payload: bytes) -> bytes:
    """`DSSEv1`, then type and payload, each with its length, so that no other pair gives the same bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
