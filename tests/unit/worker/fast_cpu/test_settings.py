"""What may be said about speed."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.cell.blas import BlasKind
from ostiary.worker.engines.fast_cpu.settings import SPEED_SETTINGS, SpeedSettings, parse_speed
from ostiary.worker.engines.language.settings import parse_settings


def test_nothing_said_is_as_fast_as_the_machine_allows() -> None:
    assert parse_speed({}) == SpeedSettings()
    assert not SpeedSettings().is_plain
    assert SpeedSettings().uses_library


def test_all_that_can_be_said() -> None:
    values: dict[str, Any] = {
        "arithmetic": "plain",
        "blas": "mkl",
        "widen_bytes": 0,
        "prompt_threads": 4,
        "answer_threads": 2,
    }
    assert set(values) == SPEED_SETTINGS
    wanted = SpeedSettings(is_plain=True, blas=BlasKind.MKL, widen_bytes=0, prompt_threads=4, answer_threads=2)
    assert parse_speed(values) == wanted
    assert parse_settings({"rows": 3, **values}).speed == wanted
    assert parse_speed({"blas": "none"}) == SpeedSettings(uses_library=False)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"arithmetic": "faster"}, "fast or plain"),
        ({"arithmetic": None}, "fast or plain"),
        ({"arithmetic": ["fast"]}, "fast or plain"),
        ({"blas": "atlas"}, "openblas, mkl, blis and none"),
        ({"blas": 3}, "openblas, mkl, blis and none"),
        ({"blas": ["mkl"]}, "openblas, mkl, blis and none"),
        ({"widen_bytes": -1}, "widen_bytes must be a number"),
        ({"prompt_threads": 0}, "prompt_threads must be a number"),
        ({"answer_threads": True}, "answer_threads must be a number"),
        ({"answer_threads": "2"}, "answer_threads must be a number"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_settings(values)
