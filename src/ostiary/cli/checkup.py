"""What `ostiary doctor` looks at: the system, the machine, and the places that Ostiary needs. Starts no model."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import OstiaryError

if TYPE_CHECKING:
    from ostiary.cell.explain_layers import LayerReport
    from ostiary.cell.machine import Machine
    from ostiary.cell.profile import SystemFacts
    from ostiary.vault.probe import Holding

_ENGINE: Final = "mlx"


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """A directory or file of ours; `problem` is "" where all is well."""

    path: str
    problem: str
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Checkup:
    """Everything that was seen."""

    version: str
    python: str
    facts: SystemFacts
    layers: tuple[LayerReport, ...]
    refusal: OstiaryError | None
    """Why no cell would start; None where one would."""
    wall_seconds: float | None
    """How long a wall took that was put up to try it; None where there was none to try."""
    machine: Machine
    engine: str | None
    """The version of MLX; None where it is not installed."""
    holdings: tuple[Holding, ...]
    held: PlaceReport | None
    """What the holdings were tried with; None where nothing was named."""
    state: PlaceReport
    settings: PlaceReport
    quarantined: int


def examine_system(model: Path | None, settings: Path | None) -> Checkup:
    from ostiary.cell.explain_layers import report_layers
    from ostiary.cell.machine import read_machine
    from ostiary.cell.probe import read_facts
    from ostiary.record.place import find_state_directory

    facts = read_facts()
    state = find_state_directory()
    holdings, held = _try_holding(model)
    refusal, wall_seconds = _try_wall()
    return Checkup(
        version=__version__,
        python=".".join(str(part) for part in sys.version_info[:3]),
        facts=facts,
        layers=report_layers(facts),
        refusal=refusal,
        wall_seconds=wall_seconds,
        machine=read_machine(),
        engine=_find_engine(),
        holdings=holdings,
        held=held,
        state=_look_at_state(state),
        settings=_look_at_settings(settings),
        quarantined=_count_quarantined(state),
    )


def _try_wall() -> tuple[OstiaryError | None, float | None]:
    from ostiary.cell.trial import try_wall

    try:
        return None, try_wall()
    except OstiaryError as error:
        return error, None


def _find_engine() -> str | None:
    try:
        return version(_ENGINE)
    except PackageNotFoundError:
        return None


def _try_holding(model: Path | None) -> tuple[tuple[Holding, ...], PlaceReport | None]:
    from ostiary.vault.probe import probe_methods

    if model is None:
        return (), None
    try:
        holdings = probe_methods(model)
    except OSError as error:
        return (), PlaceReport(_shorten(model), explain_os_error(error))
    except OstiaryError as error:
        return (), PlaceReport(_shorten(model), error.message)
    return holdings, PlaceReport(_shorten(model), "" if holdings else "there is no file to try it with")


def _look_at_state(state: Path) -> PlaceReport:
    place = next(place for place in (state, *state.parents) if place.exists())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return PlaceReport(_shorten(state), explain_os_error(error))
    if not place.is_dir():
        return PlaceReport(_shorten(state), "it is not a directory")
    problem = "" if os.access(place, os.W_OK | os.X_OK) else "you may not write there"
    return PlaceReport(_shorten(state), problem, free)


def _look_at_settings(chosen: Path | None) -> PlaceReport:
    from ostiary.cell.read_settings import find_settings_path, load_limit_rules

    path = find_settings_path(chosen)
    try:
        load_limit_rules(chosen)
    except OstiaryError as error:
        return PlaceReport(_shorten(path), error.message)
    return PlaceReport(_shorten(path) if path.exists() else "", "")


def _count_quarantined(state: Path) -> int:
    from ostiary.cell.quarantine import Quarantine

    try:
        return sum(model.is_quarantined for model in Quarantine(state, lambda _: None).read_all())
    except OstiaryError:
        return 0


def _shorten(path: Path) -> str:
    """As a person would write it."""
    shown = Path(os.path.abspath(path))  # noqa: PTH100  text only: resolving would follow links
    home = Path.home()
    return quote_untrusted(
        f"~/{shown.relative_to(home)}" if shown.is_relative_to(home) and shown != home else f"{shown}"
    )
