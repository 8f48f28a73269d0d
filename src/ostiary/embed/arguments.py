"""Whom to believe, as a program says it; the same words as `ostiary.open` has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias, TypedDict

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse
from ostiary.library.believe import Named

PathName: TypeAlias = str | os.PathLike[str]


class BeliefArguments(TypedDict, total=False):
    """Nobody named: the policy in its usual place decides."""

    key: PathName | Sequence[PathName] | None
    """Public keys to believe, as PEM files."""
    root: PathName | Sequence[PathName] | None
    """Root certificates to believe, as PEM files; with `identity`."""
    identity: str | None
    issuer: str | None
    """Who must know that identity; then keyless signatures are believed."""
    policy: PathName | None
    """Whom to believe, as a policy file."""
    sigstore_config: PathName | None
    model_id: str | None
    """The model must be signed as this one."""
    signature: PathName | Sequence[PathName] | None
    """Signature files that are kept elsewhere."""
    state: PathName | None
    """The directory of the record and of what is remembered."""
    record_location: bool
    """Record a salted hash of where the model lies, too."""
    unsafe_unsigned: bool
    """Load a model that nobody vouches for."""


_KNOWN: Final = BeliefArguments.__annotations__.keys()


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """The arguments, read."""

    named: Named
    signatures: tuple[Path, ...]
    state: Path | None
    records_location: bool


def read_arguments(arguments: BeliefArguments) -> EmbedOptions:
    """Raises Misuse."""
    for name in arguments:
        if name not in _KNOWN:
            raise Misuse(USAGE, f"loading a model takes no argument '{quote_untrusted(name)}'")
    return EmbedOptions(
        Named(
            keys=_paths(arguments, "key"),
            roots=_paths(arguments, "root"),
            identity=arguments.get("identity"),
            issuer=arguments.get("issuer"),
            policy=_path(arguments, "policy"),
            sigstore_config=_path(arguments, "sigstore_config"),
            model_id=arguments.get("model_id"),
            allows_unsigned=arguments.get("unsafe_unsigned", False),
        ),
        signatures=_paths(arguments, "signature"),
        state=_path(arguments, "state"),
        records_location=arguments.get("record_location", False),
    )


def _path(arguments: Mapping[str, object], name: str) -> Path | None:
    found = _paths(arguments, name)
    if len(found) > 1:
        raise Misuse(USAGE, f"{name} is one path")
    return found[0] if found else None


def _paths(arguments: Mapping[str, object], name: str) -> tuple[Path, ...]:
    value = arguments.get(name)
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_read_path(name, item) for item in value)
    return (_read_path(name, value),)


def _read_path(name: str, value: object) -> Path:
    named = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(named, str):
        raise Misuse(USAGE, f"{name} is the path of a file")
    return Path(named)
