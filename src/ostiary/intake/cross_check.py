"""Holds the parts of one model against one another. Each part has passed its own reader before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from ostiary.core.findings import Finding
from ostiary.core.function_files import GRAPH_FILE, TENSORS_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, FileKind
from ostiary.intake.network.check_adapter import check_adapter
from ostiary.intake.network.layouts import LayoutVerdict, check_layout
from ostiary.intake.network.read_config import Config
from ostiary.intake.parse_files import Parts
from ostiary.intake.read_contract import check_contract
from ostiary.intake.rules import consistency as rules
from ostiary.intake.rules.contract import CONTRACT_UNUSED
from ostiary.intake.tokens.check_special_tokens import find_highest_id, find_special_token_conflicts
from ostiary.intake.weights.read_index import ShardIndex, check_index
from ostiary.intake.weights.tensor import Tensor

_Part = TypeVar("_Part")

CONFIG: Final = "config.json"
FUNCTION_FILES: Final = frozenset({GRAPH_FILE, TENSORS_FILE})
"""What only a function has; one of them makes the directory one."""
WEIGHT_KINDS: Final = (
    FileKind.SAFETENSORS,
    FileKind.GGUF,
    FileKind.NPZ,
    FileKind.NPY,
    FileKind.MLXFN,
    FileKind.PICKLE,
)
"""The one that names a model's format first."""
_NO_PARTS: Final = {FileKind.CONTRACT, FileKind.DOCUMENT, FileKind.SIGNATURE, FileKind.UNKNOWN}
_TOKENIZER: Final = "tokenizer.json"
_TOKENIZER_CONFIG: Final = "tokenizer_config.json"
_WHOLE: Final = "model.safetensors"
_LOADED: Final = "model"
_INDEX: Final = "model.safetensors.index.json"
_ADAPTER_WEIGHTS: Final = ("adapters.safetensors", "adapter_model.safetensors")
# The names under which loaders of the field keep the table that token ids index.
_EMBEDDINGS: Final = (
    "embed_tokens.weight",
    "wte.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
    "embed_in.weight",
    "embeddings.weight",
)


class CrossCheck:
    """The parts seen together: findings, and what follows for the facts."""

    def __init__(self, entries: Collection[FileEntry], parts: Parts, *, is_wholly_read: bool) -> None:
        self._parts: Final = parts
        self._is_wholly_read: Final = is_wholly_read
        self._entries: Final = tuple(entries)
        self._kinds: Final = {entry.kind for entry in entries}
        weights = {entry.path for entry in entries if entry.kind is FileKind.SAFETENSORS}
        self._has_all_weights: Final = is_wholly_read and weights == parts.weights.keys()
        self.config: Final = parts.configs.get(CONFIG)
        self.base_tensors: Final = _merge(parts, _base_paths(parts))
        self.layout: LayoutVerdict | None = None

    def find_in_model(self) -> Iterator[Finding]:
        """Everything that is wrong with the parts of a directory together."""
        if self.is_function:
            yield from self._find_in_function()
            return
        if self._is_wholly_read:  # else what is missing here was refused before
            yield from self._find_missing()
        yield from self._find_in_indexes()
        yield from self._find_unlisted()
        yield from self._find_unused()
        yield from self._find_duplicates()
        if self.config is not None and self.base_tensors and self._has_all_weights:
            self.layout = check_layout(self.config, self.base_tensors)
            yield from self.layout.findings
        yield from self._find_in_adapters()
        yield from self._find_past_embedding()
        yield from self._find_vocabulary_mismatch()
        yield from self._find_in_special_tokens()
        yield from self._find_in_contracts()

    @property
    def is_function(self) -> bool:
        """Whether the directory is a function and no language model."""
        is_named_so = any(entry.path in FUNCTION_FILES for entry in self._entries)
        return is_named_so or CONTRACT_FILE in self._parts.contracts

    def _find_in_function(self) -> Iterator[Finding]:
        from ostiary.intake.functions.check_function import find_in_function  # noqa: PLC0415  # few are functions

        yield from find_in_function(self._entries, self._parts, is_wholly_read=self._is_wholly_read)

    def find_in_single_file(self) -> Iterator[Finding]:
        """A file that is no part of any model is not a model."""
        if self._is_wholly_read and not self._kinds - _NO_PARTS:
            yield Finding(rules.NOTHING, "it is not a file that loaders of models read")

    def _find_missing(self) -> Iterator[Finding]:
        # What is there but was refused by its reader is not missing.
        has_config = bool(self._kinds & {FileKind.CONFIG, FileKind.ADAPTER_CONFIG})
        has_weights = not self._kinds.isdisjoint(WEIGHT_KINDS)
        if not has_config and not has_weights:
            yield Finding(rules.NOTHING, "there is neither config.json nor a file of weights")
        elif not has_config:
            yield Finding(rules.NO_CONFIG, "there is no config.json beside the weights")
        elif not has_weights or (self.config is not None and self._has_all_weights and not self._has_base()):
            yield Finding(rules.NO_WEIGHTS, "there is no file of weights beside config.json")

    def _has_base(self) -> bool:
        return bool(self.base_tensors or self._parts.foreign_tensors)

    def _find_in_indexes(self) -> Iterator[Finding]:
        if not self._has_all_weights:
            return
        for path, index in self._parts.indexes.items():
            folder = path.rpartition("/")[0]
            shards = {
                p.rpartition("/")[2]: {tensor.name: tensor for tensor in header.tensors}
                for p, header in self._parts.weights.items()
                if p.rpartition("/")[0] == folder and _is_loaded(p, index)
            }
            yield from (
                Finding(f.rule, f.detail, f"{folder}/{f.path}".lstrip("/") if f.path else path, f.offset)
                for f in check_index(index, shards)
            )

    def _find_unlisted(self) -> Iterator[Finding]:
        """Without an index, one whole file is all that there should be; loaders read its neighbours too."""
        if _INDEX in self._parts.indexes or _WHOLE not in self._parts.weights:
            return
        for path in _base_paths(self._parts):
            if path != _WHOLE:
                yield Finding(rules.UNLISTED_SHARD, f"it lies beside {_WHOLE} and no index lists it", path)

    def _find_unused(self) -> Iterator[Finding]:
        base = set(_base_paths(self._parts))
        for path in self._parts.weights:
            if "/" not in path and path not in base and not path.endswith(_ADAPTER_WEIGHTS):
                yield Finding(rules.UNUSED_WEIGHTS, "it lies beside the model's own weights", path)

    def _find_duplicates(self) -> Iterator[Finding]:
        owner: dict[str, str] = {}
        told: set[tuple[str, str]] = set()
        for path in _base_paths(self._parts):
            for tensor in self._parts.weights[path].tensors:
                first = owner.setdefault(tensor.name, path)
                if first != path and (first, path) not in told:
                    told.add((first, path))
                    detail = f"'{quote_untrusted(tensor.name)}' is also in {quote_untrusted(first)}"
                    yield Finding(rules.DUPLICATE_TENSOR, detail, path)

    def _find_in_adapters(self) -> Iterator[Finding]:
        for path, adapter in self._parts.adapters.items():
            folder = path.rpartition("/")[0]
            prefix = f"{folder}/" if folder else ""
            tensors = _merge(self._parts, [f"{prefix}{name}" for name in _ADAPTER_WEIGHTS])
            for finding in check_adapter(adapter, tensors, self.config, self.base_tensors):
                yield Finding(finding.rule, finding.detail, finding.path or path, finding.offset)

    def _find_past_embedding(self) -> Iterator[Finding]:
        rows = measure_embedding(self.config, self.base_tensors)
        if rows is None:
            return
        for path, what, highest in self._highest_ids():
            if highest >= rows:
                detail = f"{what} has the id {highest:,}, the embedding has {rows:,} rows"
                yield Finding(rules.TOKEN_PAST_EMBEDDING, detail, path)

    def _highest_ids(self) -> Iterator[tuple[str, str, int]]:
        """Every file at the top that names token ids, and the highest that it names."""
        parts = self._parts
        for path, tokenizer in _at_top(parts.tokenizers):
            yield path, "a token", tokenizer.max_id
        for path, pieces in _at_top(parts.sentencepieces):
            yield path, "a piece", pieces.max_id
        for path, vocabulary in _at_top(parts.vocabularies):
            yield path, "a token", vocabulary.max_id
        for path, tokenizer_config in _at_top(parts.tokenizer_configs):
            yield path, "an added token", max((token.id for token in tokenizer_config.added), default=-1)
        for path, generation in _at_top(parts.generation_configs):
            ids = (*generation.bos_ids, *generation.eos_ids, *generation.pad_ids, *generation.other_ids)
            yield path, "a special token", max(ids, default=-1)
        read = parts.tokenizers.get(_TOKENIZER)
        if read is not None:
            config = parts.tokenizer_configs.get(_TOKENIZER_CONFIG)
            highest = find_highest_id(read, config, (token for _, token in self._further_tokens()))
            if highest > read.max_id:
                yield _TOKENIZER_CONFIG, "a token that a loader adds", highest
        if self.config is not None:
            ids = (*self.config.bos_ids, *self.config.eos_ids, *self.config.pad_ids)
            yield CONFIG, "a special token", max(ids, default=-1)

    def _further_tokens(self) -> tuple[tuple[str, str], ...]:
        """What a loader adds to the tokenizer besides, with its roles."""
        named = (self._parts.vocabularies.get(name) for name in ("special_tokens_map.json", "added_tokens.json"))
        return tuple(token for vocabulary in named if vocabulary is not None for token in vocabulary.tokens)

    def _find_in_special_tokens(self) -> Iterator[Finding]:
        tokenizer = self._parts.tokenizers.get(_TOKENIZER)
        config = self._parts.tokenizer_configs.get(_TOKENIZER_CONFIG)
        if tokenizer is None or config is None:
            return
        for finding in find_special_token_conflicts(tokenizer, config, self._further_tokens()):
            yield replace(finding, path=_TOKENIZER_CONFIG)

    def _find_in_contracts(self) -> Iterator[Finding]:
        for path, terms in self._parts.terms.items():
            if path != CONTRACT_FILE:
                yield Finding(CONTRACT_UNUSED, "it does not lie beside the model's configuration", path)
            elif self.config is not None:
                for finding in check_contract(terms, self.config.vocab_size, self.config.context_tokens):
                    yield replace(finding, path=path)

    def _find_vocabulary_mismatch(self) -> Iterator[Finding]:
        tokenizer = self._parts.tokenizers.get(_TOKENIZER)
        pieces = self._parts.sentencepieces.get("tokenizer.model")
        if tokenizer is not None and pieces is not None and len(tokenizer.vocabulary) != pieces.size:
            detail = f"it has {pieces.size:,} pieces, tokenizer.json has {len(tokenizer.vocabulary):,} tokens"
            yield Finding(rules.VOCABULARY_MISMATCH, detail, "tokenizer.model")


def measure_embedding(config: Config | None, tensors: Mapping[str, Tensor]) -> int | None:
    """Rows of the table that token ids index: the tensor's own, else what the configuration says."""
    found = [
        tensor.shape[0] for name, tensor in tensors.items() if name.endswith(_EMBEDDINGS) and len(tensor.shape) == 2
    ]
    claimed = None if config is None else config.vocab_size
    if not found:
        return claimed
    # Encoders for images and sound have small tables of their own: the one of the claimed size is meant, if any is.
    return claimed if claimed in found else max(found)


def _at_top(parts: Mapping[str, _Part]) -> list[tuple[str, _Part]]:
    """Those that a loader of the whole model reads: nothing in folders."""
    return [(path, part) for path, part in parts.items() if "/" not in path]


def _base_paths(parts: Parts) -> list[str]:
    """The files that a loader of the whole model reads: model*.safetensors, or all where none is so named."""
    top = [path for path in parts.weights if "/" not in path and not path.endswith(_ADAPTER_WEIGHTS)]
    listed = parts.indexes[_INDEX].weight_map.values() if _INDEX in parts.indexes else ()
    return [path for path in top if path.startswith(_LOADED) or path in listed] or top


def _is_loaded(path: str, index: ShardIndex) -> bool:
    """Whether loaders read the file: because of its name, or because the index lists it."""
    name = path.rpartition("/")[2]
    return name.startswith(_LOADED) or name in index.weight_map.values()


def _merge(parts: Parts, paths: list[str]) -> dict[str, Tensor]:
    return {
        tensor.name: tensor for path in paths if path in parts.weights for tensor in parts.weights[path].tensors
    }
