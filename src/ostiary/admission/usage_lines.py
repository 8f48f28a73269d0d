"""The lines of the file in which usage is counted, and what they add up to. Pure.

Each line has its own checksum: one that was not written to its end, or changed later, is known by it. A line is
`CHECKSUM [KIND, ...]`:

    usage, 1                          the first line: which format it is
    shift, SECONDS                    how far the wall clock is ahead of the times that follow
    count, TIME, TENANT               one request
    hold, NUMBER, TIME, TENANT, TOKENS   reserved for a request that begins
    settle, NUMBER, TIME, USED, ANSWER   it is over, and used so many, of which so many were the answer's
    window, TENANT, NAME, [[TIME, AMOUNT], ...]
    day, DAY, TENANT, REQUESTS, PROMPT, ANSWER, CUT
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ostiary.admission.accounts import NO_USAGE, SECONDS_OF_DAY, Accounts, DayUsage
from ostiary.core.limits import MAX_TENANT_CHARACTERS, MAX_TENANT_LIMIT, MAX_USAGE_LINE_BYTES
from ostiary.core.values import dataclass

SCHEMA: Final = 1
FIRST: Final = ("usage", SCHEMA)
_Amounts: TypeAlias = "list[tuple[float, int]]"
_WINDOWS: Final = ("requests", "minute", "day")
_LATEST: Final = 1e11
"""Seconds since 1970: the year 5138."""


class LineMalformed(ValueError):
    """It is none of ours, or not any more."""


class OtherSchema(Exception):
    """Another version wrote the file."""


_spell: Final = json.JSONEncoder(separators=(",", ":")).encode


def write_line(*parts: object) -> bytes:
    text = _spell(parts).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that has to be known to go on from here. Quickly taken, written at leisure."""

    time: float
    shift: float
    days: Mapping[tuple[int, str], DayUsage]
    windows: Sequence[tuple[str, str, _Amounts]]
    open: Mapping[int, tuple[str, int]]

    def write(self) -> Iterator[bytes]:
        yield write_line(*FIRST)
        yield write_line("shift", round(self.shift, 3))
        for (day, tenant), usage in self.days.items():
            numbers = (usage.requests, usage.prompt_tokens, usage.answer_tokens, usage.cut_tokens)
            yield write_line("day", day, tenant, *numbers)
        for tenant, name, amounts in self.windows:
            yield write_line("window", tenant, name, amounts)
        for number, (tenant, tokens) in self.open.items():
            yield write_line("hold", number, round(self.time, 3), tenant, tokens)


def take_snapshot(accounts: Accounts, now: float, shift: float) -> Snapshot:
    windows = [
        (tenant, name, amounts)
        for tenant, account in accounts.by_tenant.items()
        for name, window in account.list_windows()
        if (amounts := window.list_amounts(now))
    ]
    return Snapshot(now, shift, dict(accounts.days), windows, dict(accounts.open))


@dataclass(frozen=True, slots=True)
class UsageRead:
    """What a file of usage adds up to."""

    days: Mapping[tuple[int, str], DayUsage]
    windows: Mapping[str, Mapping[str, _Amounts]]
    """By tenant and name, in times of the clock of the machine as it was set last: all are of one server, whose own
    clock nobody sets.
    """
    open: Mapping[int, tuple[str, int]]
    damaged: int
    """Lines that cannot be read, before others that can: somebody or something changed the file."""
    has_loose_end: bool
    """Whether the last line was not written to its end, as when the power went."""

    def make_accounts(self, now: float) -> Accounts:
        """To go on from, at this time of the wall clock: what was held when the server ended counts as used."""
        accounts = Accounts()
        accounts.days.update(self.days)
        for tenant, named in self.windows.items():
            for name, window in accounts.find(tenant).list_windows():
                window.restore(named.get(name, ()), now)
        for tenant, tokens in self.open.values():
            accounts.cut(tenant, tokens, now, int(now // SECONDS_OF_DAY))
        return accounts


class UsageReader:
    """Takes one line after the other."""

    def __init__(self) -> None:
        self._days: Final[dict[tuple[int, str], DayUsage]] = {}
        self._windows: Final[dict[str, dict[str, dict[float, int]]]] = {}
        self._open: Final[dict[int, tuple[str, int]]] = {}
        self._shift = 0.0
        self._damaged = 0
        self._suspect = 0
        self._is_first = True
        self._takers: Final[Mapping[str, Callable[..., None]]] = {
            "shift": self._take_shift,
            "count": self._take_count,
            "hold": self._take_hold,
            "settle": self._take_settle,
            "window": self._take_window,
            "day": self._take_day,
        }

    def take(self, line: bytes) -> None:
        """Raises OtherSchema."""
        try:
            kind, *parts = _parse_line(line)
            if self._is_first and kind == FIRST[0]:
                if parts != [SCHEMA]:
                    raise OtherSchema
            else:
                self._takers[str(kind)](*parts)
        except (KeyError, TypeError, ValueError):
            self._suspect += 1
        else:
            self._damaged += self._suspect
            self._suspect = 0
        self._is_first = False

    def finish(self) -> UsageRead:
        windows = {
            tenant: {
                name: [(time + self._shift, amounts[time]) for time in sorted(amounts)]
                for name, amounts in named.items()
            }
            for tenant, named in self._windows.items()
        }
        more = max(0, self._suspect - 1)  # one may be unfinished at the end, not several
        return UsageRead(self._days, windows, self._open, self._damaged + more, self._suspect > 0)

    def _take_shift(self, shift: float) -> None:
        self._shift = _check_time(shift)

    def _take_count(self, time: float, tenant: str) -> None:
        self._add(_check_tenant(tenant), "requests", _check_time(time), 1)
        self._add_to_day(time, tenant, requests=1)

    def _take_hold(self, number: int, time: float, tenant: str, tokens: int) -> None:
        _check_time(time)
        self._open[_check_count(number)] = (_check_tenant(tenant), _check_count(tokens))

    def _take_settle(self, number: int, time: float, used: int, answer: int) -> None:
        _check_time(time)
        if number not in self._open or _check_count(answer) > _check_count(used):
            raise LineMalformed
        tenant, _ = self._open.pop(number)
        for name in ("minute", "day"):
            self._add(tenant, name, time, used)
        self._add_to_day(time, tenant, prompt=used - answer, answer=answer)

    def _take_window(self, tenant: str, name: str, amounts: list[list[float]]) -> None:
        if name not in _WINDOWS:
            raise LineMalformed
        checked = [(_check_time(time), _check_count(amount)) for time, amount in amounts]
        for time, amount in checked:
            self._add(_check_tenant(tenant), name, time, amount)

    def _take_day(self, day: int, tenant: str, *numbers: int) -> None:
        requests, prompt, answer, cut = map(_check_count, numbers)
        _check_time(day * SECONDS_OF_DAY)
        self._days[_check_count(day), _check_tenant(tenant)] = DayUsage(requests, prompt, answer, cut)

    def _add(self, tenant: str, name: str, time: float, amount: int) -> None:
        amounts = self._windows.setdefault(tenant, {}).setdefault(name, {})
        amounts[time] = amounts.get(time, 0) + amount

    def _add_to_day(self, time: float, tenant: str, **amounts: int) -> None:
        """Of the calendar, as the clock of the machine was set then."""
        key = (max(0, int((time + self._shift) // SECONDS_OF_DAY)), tenant)
        self._days[key] = self._days.get(key, NO_USAGE).add(**amounts)


def read_usage_lines(lines: Iterable[bytes]) -> UsageRead:
    """Raises OtherSchema."""
    reader = UsageReader()
    for line in lines:
        reader.take(line)
    return reader.finish()


def _parse_line(line: bytes) -> list[object]:
    if not line.endswith(b"\n") or line[8:9] != b" " or len(line) > MAX_USAGE_LINE_BYTES:
        raise LineMalformed
    text = line[9:-1]
    if b"%08x" % zlib.crc32(text) != line[:8]:
        raise LineMalformed
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LineMalformed from error
    if not isinstance(parts, list) or not parts:
        raise LineMalformed
    return parts


def _check_count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_TENANT_LIMIT * MAX_TENANT_LIMIT:
        raise LineMalformed
    return value


def _check_time(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > _LATEST:  # type: ignore[arg-type]
        raise LineMalformed
    return float(value)  # type: ignore[arg-type]


def _check_tenant(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TENANT_CHARACTERS:
        raise LineMalformed
    return value
