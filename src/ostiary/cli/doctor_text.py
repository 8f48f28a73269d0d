"""What `ostiary doctor` says, for people and for machines. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from ostiary.cell.explain_layers import DOES, WITHOUT, LayerReport, LayerState
from ostiary.cli import ui
from ostiary.cli.checkup import Checkup, PlaceReport
from ostiary.vault.probe import NEEDS

_MARKS: Final = {
    LayerState.THERE: ("yes", "green"),
    LayerState.MISSING: ("NO", "red"),
    LayerState.SPARED: ("-", "dim"),
}
_LABEL: Final = 14
_INDENT: Final = 2 + 5 + _LABEL
_GIB: Final = 1 << 30


def render_checkup(checkup: Checkup, *, color: bool, width: int) -> list[str]:
    """The verdict last, where a person at a terminal looks."""
    page = _Page(color=color, width=width)
    page.title("The wall around each model")
    for report in checkup.layers:
        page.layer(report)
    if checkup.wall_seconds is not None:
        page.row(
            "yes",
            "tried",
            f"a process stood behind it {checkup.wall_seconds * 1000:.0f} ms after it was asked for",
            "green",
        )
    page.title("Holding a model's files while they are loaded")
    _render_holdings(page, checkup)
    page.title("This machine")
    for label, text in _describe_machine(checkup):
        page.row("", label, text)
    page.title("Places")
    _render_places(page, checkup)
    page.lines.append("")
    page.verdict(checkup)
    return page.lines


class _Page:
    """Rows of mark, label and text, wrapped to the width."""

    def __init__(self, *, color: bool, width: int) -> None:
        self._color = color
        self._width = width
        self.lines: list[str] = []

    def title(self, text: str) -> None:
        if self.lines:
            self.lines.append("")
        self.lines.append(ui.paint(text, "bold", enabled=self._color))

    def row(self, mark: str, label: str, text: str, style: str = "dim") -> None:
        first, *more = textwrap.wrap(text, self._width - _INDENT, break_on_hyphens=False) or [""]
        painted = ui.paint(f"{mark:<5}", style, enabled=self._color and bool(mark))
        self.lines.append(f"  {painted}{label:<{_LABEL}}{first}")
        self.lines += [f"{'':<{_INDENT}}{line}" for line in more]

    def layer(self, report: LayerReport) -> None:
        mark, style = _MARKS[report.state]
        text = report.reason or DOES[report.layer]
        if report.state is LayerState.MISSING or (report.state is LayerState.SPARED and not report.is_not_needed):
            text = f"{text}. Without it: {WITHOUT[report.layer]}"
        self.row(mark, report.layer.value, text, style)

    def verdict(self, checkup: Checkup) -> None:
        word, style = ("ready", "green") if is_ready(checkup) else ("not ready", "red")
        reasons = "; ".join(find_problems(checkup))
        there = sum(report.state is LayerState.THERE for report in checkup.layers)
        text = reasons or f"models run here behind {there} layers"
        painted = ui.paint(word, style, enabled=self._color)
        lines = textwrap.wrap(f"{word}: {text}", self._width, break_on_hyphens=False)
        self.lines += [f"{painted}{lines[0].removeprefix(word)}", *lines[1:]]


def is_ready(checkup: Checkup) -> bool:
    return not find_problems(checkup)


def find_problems(checkup: Checkup) -> list[str]:
    """What stands between this system and a running model, in a sentence each."""
    problems = [] if checkup.refusal is None else [checkup.refusal.message]
    if checkup.engine is None:
        problems.append("MLX is not installed: pip install 'ostiary[mlx]'")
    if checkup.state.problem:
        problems.append(f"the state directory: {checkup.state.problem}")
    if checkup.settings.problem:
        problems.append(f"the settings: {checkup.settings.problem}")
    return problems


def _render_holdings(page: _Page, checkup: Checkup) -> None:
    if not checkup.holdings:
        told = checkup.held
        words = "name a model to see which ways work where it lies: ostiary doctor MODEL"
        page.row("", "", words if told is None else f"{told.path}: {told.problem}")
        return
    is_first = True
    for holding in checkup.holdings:
        used = "" if not (holding.works and is_first) else "used here; "
        is_first = is_first and not holding.works
        mark, style = ("yes", "green") if holding.works else ("-", "dim")
        page.row(mark, holding.method.value, f"{used}needs {NEEDS[holding.method]}", style)


def _describe_machine(checkup: Checkup) -> Iterator[tuple[str, str]]:
    facts, machine = checkup.facts, checkup.machine
    who = "root" if facts.user_id == 0 else f"user {facts.user_id}"
    yield "system", f"{facts.system} {facts.kernel} on {facts.machine}, as {who}"
    if facts.system == "linux":
        landlock = f"ABI {facts.landlock_version}" if facts.landlock_version else "none"
        listener = "with names for denied calls" if facts.has_listener else "without names for denied calls"
        seccomp = f"filters, {listener}" if facts.has_seccomp else "none"
        yield "kernel", f"Landlock {landlock}; seccomp {seccomp}"
    share = machine.memory_bytes * 4 // 5
    yield (
        "memory",
        f"{machine.memory_bytes / _GIB:.1f} GiB, {machine.available_bytes / _GIB:.1f} free; "
        f"one model gets up to {share / _GIB:.1f} GiB by default",
    )
    yield "cores", str(machine.cores)
    yield "engine", "MLX is not installed" if checkup.engine is None else f"MLX {checkup.engine}"
    yield "ostiary", f"{checkup.version} on Python {checkup.python}"


def _render_places(page: _Page, checkup: Checkup) -> None:
    state = checkup.state
    free = "" if state.free_bytes is None else f", {ui.render_bytes(state.free_bytes)} free"
    _render_place(page, "state", state, f"{state.path}{free}")
    settings = checkup.settings
    _render_place(page, "settings", settings, settings.path or "none: every limit has its default")
    count = checkup.quarantined
    text = "no model" if count == 0 else f"{count} that may not start: ostiary quarantine list"
    page.row("", "quarantine", text)


def _render_place(page: _Page, label: str, place: PlaceReport, text: str) -> None:
    if place.problem:
        page.row("NO", label, f"{place.path}: {place.problem}", "red")
    else:
        page.row("yes", label, text, "green")


def describe_checkup(checkup: Checkup) -> dict[str, object]:
    """The value of --json; docs/reference/doctor.schema.json."""
    facts, machine = checkup.facts, checkup.machine
    return {
        "schema": 1,
        "ostiary": checkup.version,
        "verdict": "ready" if is_ready(checkup) else "not-ready",
        "problems": find_problems(checkup),
        "wall": {
            "code": None if checkup.refusal is None else checkup.refusal.code,
            "seconds": checkup.wall_seconds,
            "layers": [
                {
                    "name": report.layer.value,
                    "state": report.state.value,
                    "reason": report.reason,
                    "does": DOES[report.layer],
                    "without": WITHOUT[report.layer],
                }
                for report in checkup.layers
            ],
        },
        "holding": {
            "tried": checkup.held is not None and not checkup.held.problem,
            "problem": "" if checkup.held is None else checkup.held.problem,
            "methods": [{"name": one.method.value, "works": one.works} for one in checkup.holdings],
        },
        "machine": {
            "system": facts.system,
            "kernel": facts.kernel,
            "architecture": facts.machine,
            "user_id": facts.user_id,
            "landlock_version": facts.landlock_version,
            "has_seccomp": facts.has_seccomp,
            "has_listener": facts.has_listener,
            "memory_bytes": machine.memory_bytes,
            "available_bytes": machine.available_bytes,
            "cores": machine.cores,
            "mlx": checkup.engine,
            "python": checkup.python,
        },
        "state": _describe_place(checkup.state),
        "settings": _describe_place(checkup.settings),
        "quarantined": checkup.quarantined,
    }


def _describe_place(place: PlaceReport) -> dict[str, object]:
    return {"path": place.path, "problem": place.problem, "free_bytes": place.free_bytes}
