"""Any names at all are judged; plain ones pass; names that fold together collide."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.text import is_invisible
from ostiary.intake.code.kinds import LOADED_NAMES
from ostiary.intake.lookalikes import fold_name
from ostiary.intake.names import find_in_names, judge_name
from ostiary.intake.rules import names as rules

_ANY_TEXT = st.text(st.characters(), max_size=30)
_PLAIN = st.from_regex(r"[a-z][a-z0-9_]{0,20}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(10)}


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(name: bytes) -> None:
    found = judge_name(name)
    assert found is None or (found.is_refusing and "\n" not in found.sentence)
    if found is None:
        assert name.decode("utf-8").isprintable()


@given(st.lists(_ANY_TEXT | st.text(st.sampled_from("aA/.\u0430-é"), max_size=12), max_size=8))
def test_any_paths_are_judged(paths: list[str]) -> None:
    for finding in find_in_names(paths):
        assert "\n" not in finding.sentence
        assert not any(is_invisible(character) for character in finding.sentence)


@given(_PLAIN)
def test_plain_names_pass(name: str) -> None:
    if name.partition(".")[0] not in _DEVICES:
        assert judge_name(name.encode()) is None
        assert find_in_names([name]) == ()


@given(_ANY_TEXT, st.sampled_from([str.upper, str.lower, str.casefold, str.swapcase]))
def test_names_that_differ_in_case_collide(name: str, change: object) -> None:
    other = change(name)  # type: ignore[operator]
    if other != name and "/" not in name + other and fold_name(name) == fold_name(other):
        assert rules.COLLIDES in [finding.rule for finding in find_in_names([f"d/{name}", f"d/{other}"])]


@given(_ANY_TEXT, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_names_that_differ_in_unicode_form_collide(name: str, form: str) -> None:
    other = unicodedata.normalize(form, name)  # type: ignore[arg-type]
    if other != name and "/" not in name + other:
        assert fold_name(other) == fold_name(name)
        assert rules.COLLIDES in [finding.rule for finding in find_in_names([name, other])]


@given(st.sampled_from(sorted(LOADED_NAMES)), st.data())
def test_one_foreign_letter_in_a_loaded_name_is_refused(name: str, data: st.DataObject) -> None:
    foreign = dict(zip("aceopsixyj", "\u0430\u0441\u0435\u043e\u0440\u0455\u0456\u0445\u0443\u0458", strict=True))
    places = [at for at, letter in enumerate(name) if letter in foreign]
    at = data.draw(st.sampled_from(places))
    found = judge_name((name[:at] + foreign[name[at]] + name[at + 1 :]).encode())
    assert found is not None
    assert found.rule is rules.IMITATES


@given(st.lists(_PLAIN, unique_by=fold_name, max_size=10))
def test_different_plain_names_do_not_collide(names: list[str]) -> None:
    assert rules.COLLIDES not in [finding.rule for finding in find_in_names(names)]
