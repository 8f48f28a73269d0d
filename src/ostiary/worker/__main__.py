"""The door of fork servers and workers: `python -I <this file> <descriptor>`, started by the cell and nobody else.

It runs by its path, so that the house in there is the one that started it, wherever either was installed.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def find_house(place: Path) -> None:
    """Make `ostiary` the package at `place`, without anything else that lies beside it."""
    spec = spec_from_file_location("ostiary", place / "__init__.py", submodule_search_locations=[str(place)])
    if spec is None or spec.loader is None:
        sys.exit("the package is not where it was")
    house = module_from_spec(spec)
    sys.modules["ostiary"] = house
    spec.loader.exec_module(house)


if __name__ == "__main__":
    if not __package__:
        find_house(Path(__file__).resolve().parents[1])
    from ostiary.worker.begin import begin

    begin([*sys.argv])  # runpy changes the list itself
