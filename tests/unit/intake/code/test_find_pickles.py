"""What a pickle would import is named, also inside PyTorch's zips."""

from __future__ import annotations

import io
import zipfile

import pytest

from ostiary.core.limits import MAX_PICKLES_IN_ARCHIVE
from ostiary.intake.code.find_pickles import find_in_pickle
from ostiary.intake.rules import code as rules

CALL = b"cos\nsystem\n(S'true'\ntR."
TENSORS = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nctorch\nFloatStorage\nccollections\nOrderedDict\n)R."


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_an_import_is_named_with_its_place() -> None:
    (finding,) = find_in_pickle(b"N0" + CALL)
    assert finding.rule is rules.PICKLE_IMPORTS
    assert "os.system" in finding.detail
    assert "calls" in finding.detail
    assert finding.offset == 2


def test_an_import_without_a_call_is_still_one() -> None:
    (finding,) = find_in_pickle(b"cantigravity\nx\n.")
    assert finding.rule is rules.PICKLE_IMPORTS
    assert "calls" not in finding.detail


def test_what_tensors_need_is_less_severe_but_refused() -> None:
    (finding,) = find_in_pickle(TENSORS)
    assert finding.rule is rules.PICKLE
    assert finding.is_refusing
    (mixed,) = find_in_pickle(TENSORS[:-1] + b"0" + CALL)
    assert mixed.rule is rules.PICKLE_IMPORTS


@pytest.mark.parametrize("name", ["torch.load", "torch._utils.evil", "torchStorage.x", "torch.hub.FloatStorage"])
def test_other_imports_of_torch_are_not_ordinary(name: str) -> None:
    module, _, last = name.rpartition(".")
    (finding,) = find_in_pickle(f"c{module}\n{last}\n)R.".encode())
    assert finding.rule is rules.PICKLE_IMPORTS


def test_a_pickle_without_imports_is_refused() -> None:
    (finding,) = find_in_pickle(b"\x80\x04]\x94.")
    assert finding.rule is rules.PICKLE
    assert "no import" in finding.detail


def test_a_cut_pickle_says_so() -> None:
    (finding,) = find_in_pickle(CALL[:-1])
    assert "its end was not reached" in finding.detail


def test_long_lists_of_imports_are_cut() -> None:
    (finding,) = find_in_pickle(b"".join(b"cm%d\nx\n0" % n for n in range(20)) + b"N.")
    assert "and 12 more" in finding.detail
    assert len(finding.detail) < 250


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pickles_inside_a_zip_are_walked(compression: int) -> None:
    data = zip_of({"archive/data.pkl": CALL, "archive/data/0": bytes(64)}, compression)
    (finding,) = find_in_pickle(data)
    assert finding.rule is rules.PICKLE_IMPORTS
    assert "archive/data.pkl" in finding.detail
    assert "os.system" in finding.detail


def test_pickles_behind_others_are_walked_up_to_the_ceiling() -> None:
    data = zip_of({f"{n}.pkl": CALL for n in range(MAX_PICKLES_IN_ARCHIVE + 3)})
    assert len(find_in_pickle(data)) == MAX_PICKLES_IN_ARCHIVE


def test_a_member_that_cannot_be_inflated_is_no_crash() -> None:
    data = bytearray(zip_of({"a.pkl": CALL * 50}, zipfile.ZIP_DEFLATED))
    data[35:45] = b"\xff" * 10
    assert [f.rule for f in find_in_pickle(bytes(data))] == [rules.PICKLE]
    data[8] = 99  # an unknown method
    assert [f.rule for f in find_in_pickle(bytes(data))] == [rules.PICKLE]


@pytest.mark.parametrize("data", [b"", b"no pickle", b"PK\x03\x04", b"PK\x03\x04" + b"\xff" * 40])
def test_other_bytes_give_nothing(data: bytes) -> None:
    assert find_in_pickle(data) == ()


def test_names_from_the_pickle_are_escaped() -> None:
    (finding,) = find_in_pickle(zip_of({"\u202egnp.pkl": CALL}))
    assert "\u202e" not in finding.detail
