"""How the room says no: the field, the rule, and what the rule allows. Pure."""

from __future__ import annotations

from ostiary.core.text import quote_untrusted
from ostiary.errors import Code, ContractRefused, Limit


def unfit(code: Code, field: str, detail: str, rule: str = "", limit: Limit | None = None) -> ContractRefused:
    """`detail` goes on after the field's name. `rule`: the place in the contract, or the kind of bound."""
    shown = quote_untrusted(field)
    return ContractRefused(code, f"{shown} {detail}", field=shown, rule=rule, limit=limit)
