"""How the room says no: the field, the rule, and what the rule allows. Pure."""

from __future__ import annotations

from ostiary.core.text import quote_untrusted
from ostiary.errors import Code, ContractRefused, Limit


def unfit(
    code: Code, field: str, detail: str, rule: str = "", limit: Limit | None = None, *, hint: str | None = None
) -> ContractRefused:
    """`detail` goes on after the field's name. `rule`: a place in the contract; else it is a bound of the house."""
    shown = quote_untrusted(field)
    named = rule or code.name.removeprefix("CONTRACT_").lower()
    return ContractRefused(code, f"{shown} {detail}", hint=hint, field=shown, rule=named, limit=limit)
