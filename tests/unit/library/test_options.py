"""What a program says to open a model: every word known, of its type, and of use together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ostiary.cell.limits import CellLimits
from ostiary.cell.limits_file import parse_config
from ostiary.cell.profile import Layer
from ostiary.errors import Misuse
from ostiary.library.engines import EngineChoice, choose_engine, use_instead
from ostiary.library.options import read_options, set_limits

DEFAULTS = CellLimits(1, 2, 3, 4, 5, 6, 7, 8)


def test_nothing_at_all() -> None:
    options = read_options({})
    assert not options.named.is_by_hand
    assert options.signatures == ()
    assert options.engine.name == "language"
    assert options.engine.settings == {}
    assert options.rules.change(DEFAULTS, "a/b") == DEFAULTS


def test_one_path_or_several() -> None:
    options = read_options({"key": "a.pub", "root": [Path("b.pem"), "c.pem"], "signature": ("d.sig",)})
    assert options.named.keys == (Path("a.pub"),)
    assert options.named.roots == (Path("b.pem"), Path("c.pem"))
    assert options.signatures == (Path("d.sig"),)


@pytest.mark.parametrize(
    "arguments", [{"key": 3}, {"key": [b"a"]}, {"policy": b"a"}, {"keys": "a.pub"}, {"limit": {}}]
)
def test_what_is_not_an_argument(arguments: Any) -> None:
    with pytest.raises(Misuse) as caught:
        read_options(arguments)
    assert caught.value.code == "USAGE"


def test_settings_of_the_engine() -> None:
    options = read_options({"adapter": "lora", "context_tokens": 512})
    assert options.engine.settings == {"adapter": "lora", "context_tokens": 512}


def test_layers_by_name() -> None:
    assert read_options({"unsafe_without": ["landlock"]}).without == {Layer.LANDLOCK}
    with pytest.raises(Misuse, match="no layer 'moat'"):
        read_options({"unsafe_without": ["moat"]})


def test_limits_are_those_of_the_settings_with_what_is_said_here_on_top(tmp_path: Path) -> None:
    config = tmp_path / "ostiary.toml"
    config.write_text('[limits]\nthreads = 9\n\n[limits."acme/*"]\ntokens = 50\nwall = "9 s"\n')
    options = read_options({"config": config, "limits": {"wall": "2 min", "memory": 1 << 30}})
    limits = options.rules.change(DEFAULTS, "acme/llama")
    assert (limits.threads, limits.tokens) == (9, 50)
    assert (limits.wall_seconds, limits.memory_bytes) == (120, 1 << 30)


@pytest.mark.parametrize(
    "limits",
    [
        {"memory": "much"},
        {"memory": "1 B"},
        {"memory": True},
        {"threads": "4"},
        {"threads": 1},
        {"speed": 3},
        {3: 3},
    ],
)
def test_limits_that_are_none(limits: Any) -> None:
    with pytest.raises(Misuse) as caught:
        set_limits(parse_config(b"", "x"), limits)
    assert caught.value.code == "CELL_LIMITS_MALFORMED"


def test_a_test_puts_another_engine_in_the_place() -> None:
    choice = EngineChoice("fake", {"answers": ["x"]})
    with use_instead(choice), use_instead(EngineChoice("arrays", {})):
        assert choose_engine("x").name == "arrays"
    assert choose_engine("x") == EngineChoice("language", {"adapter": "x"})
