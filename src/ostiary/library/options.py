"""What a program says to open a model, read: every word known, of its type, and of use together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cell.limits_file import SETTINGS, LimitRules, Setting, parse_amount, render_amount
from ostiary.cell.profile import Layer
from ostiary.cell.read_settings import load_limit_rules
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import CELL_LIMITS_MALFORMED, USAGE, Misuse
from ostiary.library.arguments import OpenArguments, OpenProgress
from ostiary.library.believe import Named
from ostiary.library.engines import ARITHMETIC, EngineChoice, choose_engine, choose_function_engine

if TYPE_CHECKING:
    from ostiary.trust.explanation import Explanation

_KNOWN: Final = OpenArguments.__annotations__.keys()


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """Everything that is known before the model is looked at."""

    named: Named
    signatures: tuple[Path, ...]
    rules: LimitRules
    state: Path | None
    engine: EngineChoice
    function_engine: EngineChoice
    """Instead of that, where the model turns out to be a function."""
    without: frozenset[Layer]
    records_location: bool
    records_content: bool
    on_progress: Callable[[OpenProgress], None] | None
    leaves_out: frozenset[str]
    """Unsigned files that may be there."""
    ask: Callable[[Explanation], bool] | None = None
    """Asks a person whether a model that was never seen here is the right one."""
    workers: int = 1
    """Processes that share the work."""
    take_room: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext()
    """For so many bytes, which its processes may have together; left when they have ended."""
    check_wanted: Callable[[], None] = lambda: None
    """Raises where nobody wants it any more, to give up opening it."""
    starts_again: bool = False
    """Whether a process that ended is started again ahead of the next request."""
    waits_for_release: bool = False
    """Whether a model that is quarantined is opened all the same, to answer once somebody released it."""


def read_options(arguments: OpenArguments) -> OpenOptions:
    """Raises Misuse."""
    for name in arguments:
        if name not in _KNOWN:
            raise Misuse(USAGE, f"opening a model takes no argument {quote_untrusted(name)!r}")
    path = _PathReader(arguments)
    named = Named(
        keys=path.several("key"),
        roots=path.several("root"),
        identity=arguments.get("identity"),
        issuer=arguments.get("issuer"),
        policy=path.one("policy"),
        sigstore_config=path.one("sigstore_config"),
        model_id=arguments.get("model_id"),
        allows_unsigned=arguments.get("unsafe_unsigned", False),
    )
    return OpenOptions(
        named=named,
        signatures=path.several("signature"),
        rules=set_limits(load_limit_rules(path.one("config")), arguments.get("limits") or {}),
        state=path.one("state"),
        engine=_choose_engine(arguments),
        function_engine=choose_function_engine(arguments.get("arithmetic")),
        without=parse_layers(arguments.get("unsafe_without", ())),
        records_location=arguments.get("record_location", False),
        records_content=arguments.get("record_content", False),
        on_progress=arguments.get("on_progress"),
        leaves_out=frozenset(arguments.get("unsafe_ignore", ())),
    )


def _choose_engine(arguments: OpenArguments) -> EngineChoice:
    arithmetic = arguments.get("arithmetic")
    if arithmetic is not None and arithmetic not in ARITHMETIC:
        raise Misuse(USAGE, f"arithmetic is {' or '.join(ARITHMETIC)}")
    return choose_engine(arguments.get("adapter"), arguments.get("context_tokens"), arithmetic)


def parse_layers(names: Sequence[str]) -> frozenset[Layer]:
    known = {layer.value: layer for layer in Layer}
    for name in names:
        if name not in known:
            raise Misuse(USAGE, f"the wall has no layer {quote_untrusted(str(name))!r}; it has {', '.join(known)}")
    return frozenset(known[name] for name in names)


def set_limits(rules: LimitRules, limits: Mapping[str, int | str]) -> LimitRules:
    """The rules, but for what is set here: that holds whatever pattern a file has."""
    known = {setting.name: setting for setting in SETTINGS}
    changes: dict[str, int] = {}
    for name, value in limits.items():
        if name not in known:
            raise _malformed(f"there is no limit {quote_untrusted(str(name))!r}; there are {', '.join(known)}")
        changes[known[name].field] = _read_limit(known[name], value)
    if not changes:
        return rules
    by_pattern = tuple(
        (pattern, {field: value for field, value in fields.items() if field not in changes})
        for pattern, fields in rules.by_pattern
    )
    return LimitRules({**rules.general, **changes}, by_pattern)


def _read_limit(setting: Setting, value: object) -> int:
    if isinstance(value, str) and setting.units is not None:
        amount = parse_amount(value, setting.units)
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = value
    else:
        example = "a number" if setting.units is None else "a number with its unit, as a string"
        raise _malformed(f"the limit {setting.name} is {example}")
    if not setting.least <= amount <= setting.most:
        units = setting.units or {"": 1}
        least, most = (render_amount(bound, units).strip() for bound in (setting.least, setting.most))
        raise _malformed(f"the limit {setting.name} is not between {least} and {most}")
    return amount


def _malformed(message: str) -> Misuse:
    return Misuse(CELL_LIMITS_MALFORMED, message)


class _PathReader:
    """Arguments that are paths: one, or several, or none."""

    def __init__(self, arguments: Mapping[str, object]) -> None:
        self._arguments: Final = arguments

    def one(self, name: str) -> Path | None:
        value = self._arguments.get(name)
        return None if value is None else self._read(name, value)

    def several(self, name: str) -> tuple[Path, ...]:
        value = self._arguments.get(name)
        if value is None:
            return ()
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return tuple(self._read(name, item) for item in value)
        return (self._read(name, value),)

    @staticmethod
    def _read(name: str, value: object) -> Path:
        if isinstance(value, str | os.PathLike):
            found = os.fspath(value)
            if isinstance(found, str):
                return Path(found)
        raise Misuse(USAGE, f"{name} is the path of a file")
