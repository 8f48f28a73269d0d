"""The words in which an architecture's tensors are listed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ostiary.core.findings import refuse
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue
from ostiary.intake.rules.config import CONFIG_INCOMPLETE


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one tensor. A packable one may be held quantized instead, as weight, scales and biases."""

    name: str
    shape: tuple[int, ...]
    is_packable: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Dims:
    """The settings of a network by the names that its MLX-LM module reads, with that module's defaults.

    `present` are the names in the files: a few layouts have two spellings.
    """

    values: Mapping[str, JsonValue]
    present: Collection[str]

    def need(self, name: str) -> int:
        value = self.get(name)
        if value is None:
            raise refuse(CONFIG_INCOMPLETE, f"config.json does not say {name}")
        return value

    def get(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def get_or(self, name: str, default: int) -> int:
        value = self.get(name)
        return default if value is None else value

    def is_set(self, name: str, *, default: bool = False) -> bool:
        value = self.values.get(name)
        return value if isinstance(value, bool) else default

    def integers(self, name: str) -> frozenset[int]:
        value = self.values.get(name)
        return frozenset(v for v in value if isinstance(v, int)) if isinstance(value, list) else frozenset()

    @property
    def hidden(self) -> int:
        return self.need("hidden_size")

    @property
    def inner(self) -> int:
        return self.need("intermediate_size")

    @property
    def heads(self) -> int:
        return self.need("num_attention_heads")

    @property
    def kv_heads(self) -> int:
        return self.get_or("num_key_value_heads", self.heads)

    @property
    def shared_head_dim(self) -> int:
        """What most modules take: the hidden size shared out among the heads."""
        return self.hidden // self.heads

    @property
    def head_dim(self) -> int:
        return self.get_or("head_dim", self.shared_head_dim)

    @property
    def layers(self) -> range:
        """The layer numbers; their count was held against its ceiling when the configuration was read."""
        return range(self.need("num_hidden_layers"))


def linear(path: str, outputs: int, inputs: int, *, bias: bool = False) -> Iterator[Slot]:
    yield Slot(f"{path}.weight", (outputs, inputs), is_packable=True)
    if bias:
        yield Slot(f"{path}.bias", (outputs,))


def embedding(path: str, rows: int, width: int) -> Slot:
    return Slot(f"{path}.weight", (rows, width), is_packable=True)


def norm(path: str, width: int, *, bias: bool = False) -> Iterator[Slot]:
    yield Slot(f"{path}.weight", (width,))
    if bias:
        yield Slot(f"{path}.bias", (width,))


def attention(
    path: str, dims: Dims, head_dim: int, *, bias: bool = False, output_bias: bool = False
) -> Iterator[Slot]:
    """Query, key, value and output, each a matrix of its own."""
    queries, keys = dims.heads * head_dim, dims.kv_heads * head_dim
    yield from linear(f"{path}.q_proj", queries, dims.hidden, bias=bias)
    yield from linear(f"{path}.k_proj", keys, dims.hidden, bias=bias)
    yield from linear(f"{path}.v_proj", keys, dims.hidden, bias=bias)
    yield from linear(f"{path}.o_proj", dims.hidden, queries, bias=output_bias)


def gated_mlp(path: str, hidden: int, inner: int, *, bias: bool = False) -> Iterator[Slot]:
    yield from linear(f"{path}.gate_proj", inner, hidden, bias=bias)
    yield from linear(f"{path}.up_proj", inner, hidden, bias=bias)
    yield from linear(f"{path}.down_proj", hidden, inner, bias=bias)


def gated_experts(path: str, experts: int, hidden: int, inner: int, *, bias: bool = False) -> Iterator[Slot]:
    """The experts of a layer, stacked into one tensor per matrix."""
    for name, outputs, inputs in (("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)):
        yield Slot(f"{path}.{name}_proj.weight", (experts, outputs, inputs), is_packable=True)
        if bias:
            yield Slot(f"{path}.{name}_proj.bias", (experts, outputs))


def ends(dims: Dims, *, tied: bool, norm_bias: bool = False) -> Iterator[Slot]:
    """What stands before and after the layers in most architectures."""
    vocabulary = dims.need("vocab_size")
    yield embedding("model.embed_tokens", vocabulary, dims.hidden)
    yield from norm("model.norm", dims.hidden, bias=norm_bias)
    if not tied:
        yield from linear("lm_head", vocabulary, dims.hidden)
