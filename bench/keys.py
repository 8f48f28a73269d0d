"""What it costs a request to look whether keys have changed and to find its own, and a change to be read.

    python bench/keys.py

Best and worst of five rounds each, for files of one key, of ten, and of as many as there may be.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ostiary.core.limits import MAX_CLIENT_KEYS
from ostiary.gateway.authenticators import Authenticators
from ostiary.gateway.client_key import KEYS_FILE, make_key
from ostiary.gateway.keys import WatchedKeys
from ostiary.gateway.keys_file import change_keys, read_keys, read_stamp

ROUNDS = 5


def measure(work: Callable[[], object], times: int) -> str:
    """Microseconds."""
    spans = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            work()
        spans.append((time.perf_counter() - begun) / times * 1e6)
    return f"{min(spans):8.1f} to {max(spans):8.1f}"


def main() -> None:
    print("keys   find, in us           of it: look, in us    read a change, in us")
    for count in (1, 10, int(MAX_CLIENT_KEYS)):
        with tempfile.TemporaryDirectory() as place:
            state = Path(place)
            kept, key = make_key("asking", 0, models=frozenset({"acme/llama", "qwen"}))
            others = tuple(replace(make_key("other", 0)[0], id=f"{number:012x}") for number in range(count - 1))
            change_keys(state, lambda _, kept=kept, others=others: (kept, *others))  # type: ignore[misc]
            path = state / KEYS_FILE
            ways, headers, name = Authenticators([WatchedKeys(path)]), {"x-api-key": key}, os.fspath(path)
            found = measure(lambda ways=ways, headers=headers: ways.find(headers), 3_000)  # type: ignore[misc]
            looked = measure(lambda name=name: read_stamp(name), 3_000)  # type: ignore[misc]
            read = measure(lambda path=path: read_keys(path), 10)  # type: ignore[misc]
        print(f"{count:5}  {found}  {looked}  {read}")


if __name__ == "__main__":
    main()
