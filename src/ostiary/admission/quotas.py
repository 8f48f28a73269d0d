"""What each tenant may ask: counted, held to, and remembered across restarts. docs/admission.md explains it.

A request is counted when it comes (`counting`), its tokens are held while it is answered (`reserve`) and counted
when it is over (`settle`). Used and held together never pass the limit, in any minute and in any day.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ostiary.admission.accounts import SECONDS_OF_DAY, Account, Accounts, TooManyTenants
from ostiary.admission.disk_watch import DiskWatch
from ostiary.admission.standing import NO_STANDING, SOON_SECONDS, Standing, list_token_limits, tell_standing
from ostiary.admission.steady_clock import SteadyClock
from ostiary.admission.tenants import TenantLimits, TenantTable
from ostiary.admission.usage_file import Damage, UsageFile, open_usage_file
from ostiary.admission.usage_lines import take_snapshot, write_line
from ostiary.core.callers import Caller
from ostiary.core.limits import MAX_JOURNAL_BYTES
from ostiary.core.text import explain_os_error
from ostiary.errors import ADMISSION_QUOTA, QUOTA_UNWRITABLE, AdmissionRefused, QuotaFailed

_LEAST_SHIFT_SECONDS: Final = 1.0


class TenantQuotas:
    """Of one server. Any number of threads may use it."""

    def __init__(
        self,
        table: TenantTable,
        file: UsageFile,
        accounts: Accounts,
        clock: SteadyClock,
        damage: Damage | None = None,
    ) -> None:
        """Use `open_quotas`."""
        self.damage: Final = damage
        """What was wrong with the file when it was opened."""
        self._table = table
        self._file: Final = file
        self._accounts: Final = accounts
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._flushing: Final = threading.Lock()
        self._disk: Final = DiskWatch()
        self._kept_size = 0
        """So much of the file the disk said that it has."""
        self._last_number = 0
        self._shift = 0.0
        self._waiting: Final[list[bytes]] = []
        """Lines that the disk did not take: of requests that are over, so not many. They go before all others."""

    # --- what a request goes through ---

    def counting(self, caller: Caller, *, takes_tokens: bool = True) -> Counting:
        """One request, while a `with` lasts. On the way in, before anything is read, it raises AdmissionRefused and
        QuotaFailed.
        """
        return Counting(self, caller, takes_tokens=takes_tokens)

    def begin_request(self, caller: Caller, *, takes_tokens: bool) -> Account:
        """Use `counting`."""
        if self._disk.is_hanging:
            raise _hanging()
        with self._lock:
            now = self._clock.read()
            account = self._find(caller.tenant, now)
            limits = self._table.find(caller.tenant)
            _judge_request(limits, account, now)
            if takes_tokens:
                _judge_rest(limits, account, now)
            self._write(write_line("count", round(now, 3), caller.tenant))
            self._accounts.count(caller.tenant, now, self._read_day(now))
            account.in_flight += 1
        return account

    def end_request(self, account: Account) -> None:
        """Use `counting`."""
        with self._lock:
            account.in_flight -= 1

    def reserve(self, caller: Caller, tokens: int, most: int = 0) -> TokenReservation:
        """`tokens`: as many as it may come to use; where nobody said how many, and it could be `most`, also half of
        what is left beyond. Raises AdmissionRefused, and QuotaFailed where it cannot be written down.
        """
        tenant = caller.tenant
        with self._lock:
            now = self._clock.read()
            account = self._find(tenant, now)
            left = _judge_tokens(self._table.find(tenant), account, tokens, now)
            granted = max(tokens, most if left is None else min(most, left // 2))
            held = tokens if left is None else granted
            number = self._last_number + 1
            self._write(write_line("hold", number, round(now, 3), tenant, held))
            self._last_number = number
            self._accounts.reserve(number, tenant, held)
        return TokenReservation(self._settle, number, granted)

    def judge(self, caller: Caller, tokens: int) -> None:
        """Whether so many are left, before the first of several parts takes any. Holds nothing. Raises
        AdmissionRefused.
        """
        with self._lock:
            now = self._clock.read()
            _judge_tokens(self._table.find(caller.tenant), self._find(caller.tenant, now), tokens, now)

    def weight_of(self, tenant: str) -> int:
        return self._table.find(tenant).priority

    # --- what is told ---

    def tell(self, tenant: str) -> Standing:
        """What it may, and what is left of it now."""
        limits = self._table.find(tenant)
        if not limits.is_told:
            return NO_STANDING
        with self._lock:
            now = self._clock.read()
            account = self._accounts.by_tenant.get(tenant)
            return tell_standing(limits, account or Account(), now)

    # --- the life of a server ---

    def set_limits(self, table: TenantTable) -> None:
        """From now on. What is used stays used."""
        self._table = table

    @property
    def is_disk_hanging(self) -> bool:
        """So that nothing is counted, and nothing done."""
        return self._disk.is_hanging

    def probe(self) -> None:
        """To be called every second by a thread that may hang. Raises OSError."""
        with self._flushing:
            size = self._file.size
            if size != self._kept_size:
                with self._disk.asking():
                    self._file.sync()
                self._kept_size = size

    def flush(self) -> None:
        """To be called every few seconds: what was counted survives a loss of power then. Raises QuotaFailed."""
        try:
            with self._flushing:
                with self._lock:
                    is_good = self._file.is_in_place() and self._file.added <= MAX_JOURNAL_BYTES
                    if is_good and (self._waiting or self._is_shifted()):
                        self._write()
                with self._disk.asking():
                    if is_good:
                        self._file.sync()
                    else:
                        self._write_anew()
        except OSError as error:
            raise _unwritable(error) from error

    def close(self) -> None:
        """Nothing is counted any more."""
        with self._flushing, self._lock:
            with suppress(QuotaFailed):  # what is held stays held in the file, and counts
                self._write()
            self._file.close()

    # --- inside the lock ---

    def _find(self, tenant: str, now: float) -> Account:
        try:
            return self._accounts.admit(tenant, now)
        except TooManyTenants:
            raise AdmissionRefused(
                ADMISSION_QUOTA,
                "there are more tenants than can be counted",
                retry_after_seconds=60,
                public_detail="there are more tenants than can be counted",
            ) from None

    def _settle(self, number: int, used: int, answer: int) -> None:
        """Never raises: what cannot be written now is written before anything else is."""
        with self._lock:
            now = self._clock.read()
            if number not in self._accounts.open:
                return
            self._accounts.settle(number, used, answer, now, self._read_day(now))
            self._waiting.append(write_line("settle", number, round(now, 3), used, answer))
            with suppress(QuotaFailed):  # its reservation is in the file: what is lost now would count in full
                self._write()

    def _write(self, line: bytes = b"") -> None:
        """What waits, and this line. Raises QuotaFailed; then the line is not there, and the rest waits on."""
        if self._disk.is_hanging:
            raise _hanging()
        shift = self._clock.read_shift() if self._is_shifted() else self._shift
        told = b"" if shift == self._shift else write_line("shift", round(shift, 3))
        try:
            self._file.add(b"".join((*self._waiting, told, line)))
        except OSError as error:
            raise _unwritable(error) from error
        self._waiting.clear()
        self._shift = shift

    def _is_shifted(self) -> bool:
        """Whether somebody set the clock of the machine, or it drifted away, since that was last written down."""
        return abs(self._clock.read_shift() - self._shift) >= _LEAST_SHIFT_SECONDS

    def _read_day(self, now: float) -> int:
        """As whoever reads the file finds it."""
        return max(0, int((now + self._shift) // SECONDS_OF_DAY))

    def _write_anew(self) -> None:
        with self._lock:
            now, shift = self._clock.read(), self._clock.read_shift()
            self._accounts.forget_old(self._read_day(now))
            snapshot = take_snapshot(self._accounts, now, shift)
            since = self._file.size
            before, self._shift = self._shift, shift
            taken = list(self._waiting)
            self._waiting.clear()
        try:
            self._file.write_anew(snapshot.write(), since, lambda: self._lock)
        except BaseException:
            with self._lock:
                self._shift = before
                self._waiting[:0] = taken
            raise


class Counting:
    """One request, while it is answered: use `TenantQuotas.counting`."""

    __slots__ = ("_account", "_caller", "_quotas", "_takes_tokens")

    def __init__(self, quotas: TenantQuotas, caller: Caller, *, takes_tokens: bool) -> None:
        self._quotas: Final = quotas
        self._caller: Final = caller
        self._takes_tokens: Final = takes_tokens
        self._account: Account | None = None

    def __enter__(self) -> None:
        self._account = self._quotas.begin_request(self._caller, takes_tokens=self._takes_tokens)

    def __exit__(self, *_: object) -> None:
        account, self._account = self._account, None
        if account is not None:
            self._quotas.end_request(account)


class TokenReservation:
    """What one request holds of its tenant's tokens."""

    __slots__ = ("_number", "_settle", "tokens")

    def __init__(self, settle: Callable[[int, int, int], None], number: int, tokens: int) -> None:
        self.tokens: Final = tokens
        """So many it may come to."""
        self._settle: Final = settle
        self._number: Final = number

    def settle(self, used: int, answer: int = 0) -> None:
        """It is over, and used so many tokens, of which so many were the answer's. The first time counts."""
        self._settle(self._number, max(0, used), max(0, min(used, answer)))


def open_quotas(table: TenantTable, state: Path, clock: SteadyClock | None = None) -> TenantQuotas:
    """With all that was counted before. Raises where the file cannot be used: Misuse, ServerFailed, QuotaFailed."""
    timing = SteadyClock() if clock is None else clock
    file, read, damage = open_usage_file(state)
    quotas = TenantQuotas(table, file, read.make_accounts(timing.read()), timing, damage)
    try:
        quotas.flush()
    except BaseException:
        file.close()
        raise
    return quotas


def _judge_request(limits: TenantLimits, account: Account, now: float) -> None:
    most = limits.requests_per_minute
    if most is not None and account.requests.count(now) >= most:
        wait = account.requests.wait_until(now, most - 1)
        raise _refuse(f"{most:,} requests in a minute are yours, and they were made", wait)
    if limits.concurrent is not None and account.in_flight >= limits.concurrent:
        detail = f"{limits.concurrent:,} requests at once are yours, and they are being answered"
        raise _refuse(detail, SOON_SECONDS)


def _judge_rest(limits: TenantLimits, account: Account, now: float) -> None:
    """Whether any tokens are left: who has none is told before anything is read."""
    full = [limit for limit in list_token_limits(limits, account) if limit.count(now) >= limit.most]
    if full:
        worst = max(full, key=lambda limit: limit.wait_for(1, now))
        detail = f"{worst.most:,} tokens in {worst.span} are yours, and they are used or held for other requests"
        raise _refuse(detail, worst.wait_for(1, now))


def _judge_tokens(limits: TenantLimits, account: Account, tokens: int, now: float) -> int | None:
    """How many are left; None: no limit. Raises AdmissionRefused where they are less than `tokens`."""
    found = list_token_limits(limits, account)
    least = min(found, key=lambda limit: limit.most, default=None)
    if least is None:
        return None
    if tokens > least.most:
        detail = f"this request may come to {tokens:,} tokens; {least.most:,} in {least.span} are yours"
        raise _refuse(detail, None)
    full = [limit for limit in found if limit.count(now) + tokens > limit.most]
    if full:
        worst = max(full, key=lambda limit: limit.wait_for(tokens, now))
        detail = (
            f"this request may come to {tokens:,} tokens; of the {worst.most:,} in {worst.span} that are yours, "
            f"{min(worst.count(now), worst.most):,} are used, or held for other requests"
        )
        raise _refuse(detail, worst.wait_for(tokens, now))
    return min(limit.most - limit.count(now) for limit in found)


def _refuse(detail: str, wait: float | None) -> AdmissionRefused:
    seconds = None if wait is None else float(max(1, math.ceil(wait)))
    return AdmissionRefused(ADMISSION_QUOTA, detail, retry_after_seconds=seconds, public_detail=detail)


def _hanging() -> QuotaFailed:
    return QuotaFailed(
        QUOTA_UNWRITABLE, "usage cannot be counted: the disk does not answer", hint="Look after the disk."
    )


def _unwritable(error: OSError) -> QuotaFailed:
    return QuotaFailed(QUOTA_UNWRITABLE, f"usage cannot be counted: {explain_os_error(error)}")
