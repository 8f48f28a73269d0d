"""The tree: who acts, what a stranger sees, what an operator sees."""

from __future__ import annotations

import pytest

from ostiary import errors
from ostiary.errors import CODES, Fault, IntakeRefused, Misuse, OstiaryError, Refusal, render_public


@pytest.mark.parametrize(("branch", "status"), [(Misuse, 2), (Refusal, 3), (Fault, 4)])
def test_each_branch_has_its_exit_status(branch: type[OstiaryError], status: int) -> None:
    assert branch.exit_status == status


def test_an_error_carries_code_message_and_hint() -> None:
    error = IntakeRefused(errors.INTAKE_MALFORMED, "a.json at byte 3: it ends early")
    assert str(error) == "INTAKE_MALFORMED: a.json at byte 3: it ends early"
    assert error.hint == errors.INTAKE_MALFORMED.hint


def test_a_stranger_sees_nothing_of_the_message() -> None:
    error = IntakeRefused(
        errors.INTAKE_MALFORMED, "secret-project/model.json at byte 3", hint="look in secret-project"
    )
    shown = render_public(error, "0123")
    assert "secret" not in repr(shown)
    assert (shown.code, shown.exit_status, shown.correlation_id) == ("INTAKE_MALFORMED", 3, "0123")


def test_a_foreign_exception_is_an_internal_fault_without_its_text() -> None:
    shown = render_public(ValueError("tensor at 0x7f00 in a place"), "0123")
    assert (shown.code, shown.http, shown.exit_status) == ("HOUSE_INTERNAL", 500, 4)
    assert "0x7f00" not in repr(shown)


def test_every_code_belongs_to_exactly_one_class() -> None:
    def classes(cls: type[OstiaryError]) -> list[type[OstiaryError]]:
        return [cls, *(c for sub in cls.__subclasses__() for c in classes(sub))]

    for name in CODES:
        exact = [c for c in classes(OstiaryError) if name in c.codes.split()]
        by_prefix = [
            c for c in classes(OstiaryError) if any(p.endswith("_") and name.startswith(p) for p in c.codes.split())
        ]
        assert len(exact or by_prefix) == 1, name
