"""A few hundred requests of all kinds; `make soak-engine` makes it ten thousand."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("mlx_lm")

from engine_soak.soak import CACHE_BYTES, run_soak

pytestmark = [pytest.mark.mlx, pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")]


def test_none_is_lost_and_nothing_is_left_behind() -> None:
    soak = run_soak(300, looks=6)
    assert soak.ended + soak.refused + soak.cancelled == 300
    assert min(soak.ended, soak.refused, soak.cancelled) > 0
    settled, last = soak.memory[2], soak.memory[-1]
    assert last.objects - settled.objects < 2_000
    assert last.array_bytes - settled.array_bytes <= CACHE_BYTES
    assert last.resident_bytes - settled.resident_bytes < 24 << 20
