"""Whether a model is a function, and what it then takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.terms.values import CONTRACT_FILE

if TYPE_CHECKING:
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.library.arguments import PathName


def looks_like_function(model: PathName) -> bool:
    """Before anything was verified: good enough to start the right engine early, and for nothing else."""
    try:
        return (Path(model) / GRAPH_FILE).is_file()
    except OSError:
        return False


def read_contract(contents: Mapping[str, bytes]) -> FunctionContract | None:
    """Of the verified files of a model; None where it is no function."""
    if GRAPH_FILE not in contents or CONTRACT_FILE not in contents:
        return None
    from ostiary.graph.parse_contract import parse_contract

    return parse_contract(contents[CONTRACT_FILE])
