"""What let a model in, and what holds it: who vouches, by which rule, how it is sealed, walled and limited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from ostiary.walks.open_model import OpenModel


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one model that was opened. Text of the model's own is escaped."""

    model: str
    """The last part of its path; never an identity."""
    root: str
    """SHA-256 over what is vouched for, hexadecimal: what `ostiary verify` shows as its digest."""
    model_id: str | None
    """As it was signed."""
    model_version: str | None
    signers: tuple[str, ...]
    """Who vouches, as `method:identity`. Empty: nobody, and somebody let it in all the same."""
    rule: str
    """What decided: a rule of the policy, `key` where somebody was named for this once, `unsigned` for nobody."""
    is_enforced: bool
    """False: it is in although `objections` would have kept it outside."""
    objections: tuple[str, ...]
    """Codes."""
    left_out: tuple[str, ...]
    """Files that nobody vouches for. They stayed outside."""
    expires_at: datetime | None
    """When what vouches for it ends."""
    sealed: Mapping[str, int]
    """How its weights are kept from changing: method to number of files."""
    engine: str
    layers: tuple[str, ...]
    """Of the wall that it runs behind, outermost first."""
    left_open: tuple[str, ...]
    """Layers that somebody chose to leave out."""
    limits: Mapping[str, int]
    """What it may use; the unit is in the name."""
    correlation_id: str
    """Joins all this to the record."""


def write_verdict(opened: OpenModel, sealed: Mapping[str, int], left_open: tuple[str, ...]) -> Verdict:
    verified, cell = opened.verified, opened.cell
    return Verdict(
        model=quote_untrusted(verified.manifest.name),
        root=cell.root,
        model_id=verified.model_id,
        model_version=verified.model_version,
        signers=verified.signers,
        rule=verified.rule,
        is_enforced=verified.is_enforced,
        objections=verified.objections,
        left_out=tuple(quote_untrusted(path) for path in verified.left_out),
        expires_at=verified.expires_at,
        sealed=dict(sealed),
        engine=opened.engine,
        layers=cell.layers,
        left_open=left_open,
        limits=dict(cell.limits.by_name()),
        correlation_id=opened.correlation_id,
    )
