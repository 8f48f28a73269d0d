"""Quotas, whatever is asked, however the clocks go, and wherever the server is killed.

Never more than the limit in any window; sums that add up to the token; a restart that forgets nothing that somebody
was told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from quota_tools import NOON, HandClocks, begin_server, kill, name_caller, sum_usage

from ostiary.admission.quotas import TenantQuotas, TokenReservation
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import USAGE_FILE, read_usage
from ostiary.admission.usage_lines import OtherSchema, read_usage_lines, write_line
from ostiary.admission.windows import make_minute
from ostiary.errors import AdmissionRefused

LIMITS = TenantLimits(requests_per_minute=5, tokens_per_minute=100, tokens_per_day=300)
_TENANTS = st.sampled_from(["anna", "bert"])
_WAITS = st.one_of(
    st.floats(0, 2), st.floats(0, 70), st.sampled_from([0.999, 1.0, 59.0, 60.0, 61.0, 600.0, 3_600.0, 86_400.0])
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), _TENANTS, st.integers(0, 120)),
        st.tuples(st.just("settle"), st.integers(0, 5), st.integers(0, 120)),
        st.tuples(st.just("wait"), _WAITS),
        st.tuples(st.just("set"), st.floats(-90_000, 90_000)),
        st.tuples(st.just("flush")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("tear"), st.integers(1, 40)),
    ),
    max_size=40,
)


@given(amounts=st.lists(st.tuples(st.floats(0, 90), st.integers(1, 9)), max_size=20), at=st.floats(0, 200))
def test_a_window_never_tells_less_than_there_was(amounts: list[tuple[float, int]], at: float) -> None:
    window, now = make_minute(), 1_000.0
    came = []
    for wait, amount in amounts:
        now += wait
        window.add(now, amount)
        came.append((now, amount))
    now += at
    counted = window.count(now)
    assert counted >= sum(amount for time, amount in came if now - 60 < time)
    assert counted <= sum(amount for time, amount in came if now - 61 < time)


class _World:
    """A server, and what its tenants saw of it: in time that no clock tells."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clocks = HandClocks()
        self.now = 0.0
        self.quotas: TenantQuotas = begin_server(state, self.clocks, usual=LIMITS)
        self.open: list[tuple[str, int, TokenReservation]] = []
        self.requests: list[tuple[float, str]] = []
        self.used: list[tuple[float, str, int]] = []
        self.cut: list[tuple[float, str, int]] = []

    def ask(self, tenant: str, tokens: int) -> None:
        caller = name_caller(tenant)
        try:
            with self.quotas.counting(caller):
                self.requests.append((self.now, tenant))
                self.open.append((tenant, tokens, self.quotas.reserve(caller, tokens)))
        except AdmissionRefused:
            pass

    def settle(self, place: int, used: int) -> None:
        if self.open:
            tenant, tokens, reservation = self.open.pop(place % len(self.open))
            used = min(used, tokens)
            reservation.settle(used, used // 2)
            self.used.append((self.now, tenant, used))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.clocks.wait(seconds)

    def set(self, seconds: float) -> None:
        self.clocks.wall += seconds

    def flush(self) -> None:
        self.quotas.flush()

    def restart(self) -> None:
        kill(self.quotas)
        self._begin()

    def tear(self, size: int) -> None:
        """Killed while it wrote a line that nobody was told of."""
        kill(self.quotas)
        line = write_line("hold", 10_000, NOON, "anna", 50)
        with (self.state / USAGE_FILE).open("ab") as file:
            file.write(line[: min(size, len(line) - 1)])
        self._begin()

    def _begin(self) -> None:
        self.cut += [(self.now, tenant, tokens) for tenant, tokens, _ in self.open]
        self.open.clear()
        self.quotas = begin_server(self.state, self.clocks, usual=LIMITS)
        assert self.quotas.damage is None


def _run(state: Path, steps: list[tuple[object, ...]], *, sets_clock_forward: bool) -> _World:
    world = _World(state)
    for name, *arguments in steps:
        act: Callable[..., None] = getattr(world, str(name))
        if name == "set" and not sets_clock_forward:
            act(-abs(float(str(arguments[0]))))
        else:
            act(*arguments)
    return world


@settings(max_examples=200, deadline=None)
@given(steps=_STEPS)
def test_never_more_than_the_limit_in_any_window(steps: list[tuple[object, ...]]) -> None:
    """Also over restarts, as long as nobody sets the clock forward between two servers: see docs/admission.md."""
    with tempfile.TemporaryDirectory() as directory:
        world = _run(Path(directory), steps, sets_clock_forward=False)
        for tenant in ("anna", "bert"):
            came = [time for time, name in world.requests if name == tenant]
            spent = [(time, used) for time, name, used in (*world.used, *world.cut) if name == tenant]
            for end in {time for time, _ in spent} | set(came):
                assert sum(end - 60 < time <= end for time in came) <= 5
                assert sum(used for time, used in spent if end - 60 < time <= end) <= 100
                assert sum(used for time, used in spent if end - 86_400 < time <= end) <= 300
        world.quotas.close()


@settings(max_examples=150, deadline=None)
@given(steps=_STEPS)
def test_sums_add_up_to_the_token_wherever_the_server_is_killed(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        world = _run(state, steps, sets_clock_forward=True)
        kill(world.quotas)
        requests, prompt, answer, cut = sum_usage(state)
        held = sum(tokens for _, tokens in read_usage(state).open.values())
        assert prompt + answer == sum(used for _, _, used in world.used)
        assert answer == sum(used // 2 for _, _, used in world.used)
        assert cut == sum(tokens for _, _, tokens in world.cut)
        assert held == sum(tokens for _, tokens, _ in world.open)
        assert requests == len(world.requests)


@settings(max_examples=100, deadline=None)
@given(steps=_STEPS, wait=_WAITS)
def test_nobody_is_locked_out_for_longer_than_the_window(steps: list[tuple[object, ...]], wait: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = _run(Path(directory), steps, sets_clock_forward=True)
        while world.open:
            world.settle(0, 120)
        world.wait(wait)
        world.restart()
        world.wait(86_400 + 600)
        before = len(world.open)
        world.ask("anna", 100)
        assert len(world.open) == before + 1
        world.quotas.close()


@settings(max_examples=100, deadline=None)
@given(steps=_STEPS, tokens=st.integers(1, 100))
def test_who_waits_as_long_as_is_told_is_let_in(steps: list[tuple[object, ...]], tokens: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = _run(Path(directory), steps, sets_clock_forward=True)
        while world.open:
            world.settle(0, 120)
        caller = name_caller("anna")
        waits = []
        while len(waits) < 4:  # the door counts requests and looks for any tokens, the gate for as many as it takes
            try:
                with world.quotas.counting(caller):
                    world.quotas.reserve(caller, tokens)
                break
            except AdmissionRefused as error:
                waits.append(error.retry_after_seconds or float("inf"))
                world.wait(waits[-1])
        assert len(waits) < 4
        assert all(wait <= 86_400 + 600 for wait in waits)
        world.quotas.close()


@given(data=st.binary(max_size=400) | st.lists(st.binary(max_size=40), max_size=8).map(b"\n".join))
def test_any_bytes_are_a_usage_or_of_another_version(data: bytes) -> None:
    usage = read_usage_lines(data.splitlines(keepends=True))
    assert not usage.days


_PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(["usage", "shift", "count", "hold", "settle", "window", "day"]),
            st.lists(_PARTS, max_size=6),
        ),
        max_size=8,
    )
)
def test_lines_with_good_sums_and_any_content_are_a_usage_or_of_another_version(
    lines: list[tuple[str, list[object]]],
) -> None:
    try:
        usage = read_usage_lines([write_line(kind, *parts) for kind, parts in lines])
    except OtherSchema:
        return
    usage.make_accounts(NOON)
    assert all(used.tokens >= 0 for used in usage.days.values())
