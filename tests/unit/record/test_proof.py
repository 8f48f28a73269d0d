from __future__ import annotations

from pathlib import Path

import pytest
from record_tools import fill

from ostiary.errors import Misuse, RecordRefused
from ostiary.record.begin import open_reader
from ostiary.record.note import VerifierKey, parse_verifier_key
from ostiary.record.proof import Proof, parse_proof, prove_entry, render_proof, verify_proof

# The specification's own example, its signatures shortened there.
SPECIFIED = b"""c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

"""


def prove(state: Path, count: int, index: int) -> tuple[bytes, tuple[VerifierKey, ...]]:
    note = fill(state, count)
    with open_reader(state) as reader:
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[0][1])
        return prove_entry(reader, index, note), keys


@pytest.mark.parametrize(("count", "index"), [(1, 0), (1, 1), (6, 3), (20, 20), (33, 0)])
def test_a_proof_verifies_with_nothing_but_the_keys(tmp_path: Path, count: int, index: int) -> None:
    proof, keys = prove(tmp_path, count, index)
    verified = verify_proof(proof, keys)
    assert verified.entry.index == index
    assert verified.signed.checkpoint.size == count + 1
    assert render_proof(parse_proof(proof)) == proof


def test_the_specification_s_example_parses() -> None:
    proof = parse_proof(SPECIFIED)
    assert proof.index == 73894
    assert len(proof.siblings) == 2
    assert proof.extra is not None
    assert proof.checkpoint.startswith(b"example.com/fancylog\n")


def test_a_proof_of_another_entry_number_or_size_is_refused(tmp_path: Path) -> None:
    proof, keys = prove(tmp_path, 20, 7)
    parsed = parse_proof(proof)
    for wrong in (
        Proof(8, parsed.siblings, parsed.checkpoint, parsed.extra),
        Proof(7, parsed.siblings[:-1], parsed.checkpoint, parsed.extra),
        Proof(7, (*parsed.siblings, parsed.siblings[0]), parsed.checkpoint, parsed.extra),
        Proof(7, parsed.siblings[::-1], parsed.checkpoint, parsed.extra),
        Proof(7, parsed.siblings, parsed.checkpoint, b"{}"),
        Proof(99, parsed.siblings, parsed.checkpoint, parsed.extra),
    ):
        with pytest.raises(RecordRefused):
            verify_proof(render_proof(wrong), keys)


def test_a_proof_is_refused_under_other_keys(tmp_path: Path) -> None:
    proof, _ = prove(tmp_path / "one", 5, 2)
    _, keys = prove(tmp_path / "two", 5, 2)
    with pytest.raises(RecordRefused, match="signed"):
        verify_proof(proof, keys)


@pytest.mark.parametrize(
    "claimed",
    [
        b"",
        b"\n\n",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\n",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 1\n!!\n\n",
        b"c2sp.org/tlog-proof@v1\nextra\nindex 1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"AAAA\n" * 64 + b"\n",
        b"\xff\n\n",
        b"x" * 140_000,
    ],
)
def test_what_is_not_a_proof_is_refused(claimed: bytes) -> None:
    with pytest.raises(RecordRefused):
        parse_proof(claimed)


def test_nothing_is_proven_that_is_not_there(tmp_path: Path) -> None:
    note = fill(tmp_path, 5)
    fill(tmp_path, 5)
    with open_reader(tmp_path) as reader:
        with pytest.raises(RecordRefused, match="came later"):
            prove_entry(reader, 8, note)
        with pytest.raises(Misuse) as missing:
            prove_entry(reader, 99, note)
    assert missing.value.code == "RECORD_NO_ENTRY"
