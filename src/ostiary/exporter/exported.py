"""What an export gives back."""

from __future__ import annotations

from pathlib import Path

from ostiary.core.values import dataclass
from ostiary.graph.function_contract import FunctionContract, TensorInput, TensorOutput
from ostiary.graph.values import Graph


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it comes to the function."""

    path: Path
    graph: Graph
    contract: FunctionContract
    parameters: int
    """How many numbers its tensors hold."""
    difference: float
    """The greatest between a result of the graph and of the function, as a part of the result's greatest number."""

    def __repr__(self) -> str:
        inputs = ", ".join(_tell_tensor(item) for item in self.contract.inputs)
        outputs = ", ".join(_tell_tensor(item) for item in self.contract.outputs)
        return f"<{self.graph.name}: {inputs} -> {outputs}; {self.parameters:,} numbers>"


def _tell_tensor(item: TensorInput | TensorOutput) -> str:
    return f"{item.name} {item.datatype}[{', '.join(map(str, item.shape))}]"
