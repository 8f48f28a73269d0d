"""For tests of `ostiary.embed`: signed models, and hands that change them at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from models.tiny import TinyModel

from ostiary.embed import opening
from ostiary.testing import sign_model
from ostiary.walks import seal_model as walk

Act = Callable[[], None]


def publish(model: TinyModel, place: Path) -> Path:
    """Written to `place` and signed. Returns the public key."""
    place.mkdir(parents=True, exist_ok=True)
    return sign_model(model.write(place))


def act_before_sealing(patch: pytest.MonkeyPatch, act: Act) -> None:
    """After the verdict, before the vault looks at any byte."""
    really = walk.open_sealed

    @contextmanager
    def open_sealed(*args: Any, **options: Any) -> Iterator[Any]:
        act()
        with really(*args, **options) as sealed:
            yield sealed

    patch.setattr(walk, "open_sealed", open_sealed)


def act_before_loading(patch: pytest.MonkeyPatch, act: Act, **options: Any) -> None:
    """After the small files were sealed and the work on the weights files may begin. `options`: for the vault."""
    really = opening.seal_model

    @contextmanager
    def seal_model(*args: Any) -> Iterator[Any]:
        with really(*args, **options) as sealed:
            act()
            yield sealed

    patch.setattr(opening, "seal_model", seal_model)


def act_before_reading(patch: pytest.MonkeyPatch, act: Act) -> None:
    """When a weights file was compared, before MLX reads it; once."""
    import mlx.core as mx

    really, waiting = mx.load, [act]

    def load(*args: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return really(*args, **options)

    patch.setattr(mx, "load", load)
