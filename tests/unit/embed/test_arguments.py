"""What a program says of whom to believe: every word known, paths as paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ostiary.embed.arguments import read_arguments
from ostiary.errors import Misuse


def read(**arguments: Any) -> Any:
    return read_arguments(arguments)  # type: ignore[arg-type]


def test_nobody_is_named() -> None:
    options = read()
    assert not options.named.is_by_hand
    assert (options.signatures, options.state, options.records_location) == ((), None, False)


def test_one_path_and_several() -> None:
    assert read(key="a.pub").named.keys == (Path("a.pub"),)
    assert read(key=["a.pub", Path("b.pub")]).named.keys == (Path("a.pub"), Path("b.pub"))
    assert read(policy=Path("p.toml"), state="s").state == Path("s")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"trust_remote_code": True}, "no argument 'trust_remote_code'"),
        ({"key": b"bytes"}, "key is the path of a file"),
        ({"key": [1]}, "key is the path of a file"),
        ({"policy": ["a", "b"]}, "policy is one path"),
        ({"ke\ny": 1}, r"no argument 'ke\\ny'"),
    ],
)
def test_what_is_not_understood(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(Misuse, match=said) as caught:
        read(**arguments)
    assert "\n" not in caught.value.message
