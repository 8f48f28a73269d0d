"""Hands each file that was read to the strict reader of its kind, and gathers what the readers made of it.

A file that its reader refuses is one finding and no part; the other files are judged all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ostiary.core.findings import Finding, Rule, refuse
from ostiary.core.limits import MAX_MODEL_TEMPLATE_CHARACTERS, MAX_TOKENIZER_FILES
from ostiary.core.terms.values import LanguageTerms
from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.code.find_code import find_in_file
from ostiary.intake.code.find_code_in_json import find_code_in_json
from ostiary.intake.network.read_adapter import Adapter, parse_adapter
from ostiary.intake.network.read_config import Config, parse_config
from ostiary.intake.network.read_generation_config import GenerationConfig, parse_generation_config
from ostiary.intake.read_contract import parse_contract
from ostiary.intake.read_file import ReadFile
from ostiary.intake.read_json import JsonValue, parse_json, parse_json_object
from ostiary.intake.rules import formats
from ostiary.intake.rules.template import TEMPLATE_MALFORMED, TEMPLATE_TOO_LARGE
from ostiary.intake.rules.tokenizer import TOKENIZER_TOO_LARGE
from ostiary.intake.templates.read_template import find_in_template
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer
from ostiary.intake.tokens.read_tokenizer_config import (
    TokenizerConfig,
    parse_tokenizer_config,
    read_templates,
)
from ostiary.intake.tokens.read_vocabulary import Vocabulary, parse_vocabulary_file
from ostiary.intake.tokens.tokenizer import Tokenizer
from ostiary.intake.weights.read_index import ShardIndex, parse_index
from ostiary.intake.weights.read_safetensors import SafetensorsHeader, parse_safetensors_header
from ostiary.intake.weights.tensor import Tensor

if TYPE_CHECKING:
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.graph.values import Graph
    from ostiary.intake.tokens.read_sentencepiece import Sentencepiece


@dataclass(slots=True)
class Parts:
    """What the readers made of the files of one model, by path."""

    weights: dict[str, SafetensorsHeader] = field(default_factory=dict)
    indexes: dict[str, ShardIndex] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)
    generation_configs: dict[str, GenerationConfig] = field(default_factory=dict)
    tokenizers: dict[str, Tokenizer] = field(default_factory=dict)
    tokenizer_configs: dict[str, TokenizerConfig] = field(default_factory=dict)
    sentencepieces: dict[str, Sentencepiece] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    adapters: dict[str, Adapter] = field(default_factory=dict)
    graphs: dict[str, Graph] = field(default_factory=dict)
    contracts: dict[str, FunctionContract] = field(default_factory=dict)
    terms: dict[str, LanguageTerms] = field(default_factory=dict)
    cards: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    foreign_tensors: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)
    """Tensors of formats other than safetensors, where the operator lets them in."""
    template_characters: int = 0
    """How much of templates was judged: judging costs far more than reading, and a tree can hold many."""
    tokenizer_files: int = 0


def parse_file(file: ReadFile, parts: Parts, allowed_formats: Collection[FileKind]) -> tuple[Finding, ...]:
    """Judge one file; what its reader made of it is put into `parts`."""
    found = list(find_in_file(file.path, file.entry.kind, file.kept, file.tail, file.entry.size))
    reader = _READERS.get(file.entry.kind)
    if reader is not None:
        try:
            found += reader(file, parts)
        except IntakeRefused as refusal:
            found += refusal.findings
    found += _judge_format(file, allowed_formats)
    return tuple(finding if finding.path else replace(finding, path=file.path) for finding in found)


_FORMAT_RULES: Final[Mapping[FileKind, Rule]] = MappingProxyType(
    {
        FileKind.GGUF: formats.GGUF,
        FileKind.NPY: formats.NPY,
        FileKind.NPZ: formats.NPZ,
        FileKind.MLXFN: formats.MLXFN,
    }
)


def _judge_format(file: ReadFile, allowed_formats: Collection[FileKind]) -> Iterator[Finding]:
    rule = _FORMAT_RULES.get(file.entry.kind)
    if rule is None:
        return
    if file.entry.kind in allowed_formats:
        yield Finding(
            formats.UNSAFE_ALLOWED, f"it is a {file.entry.kind} file, let in by --unsafe-allow", file.path
        )
    else:
        yield Finding(rule, f"it is a {file.entry.kind} file", file.path)


def _read_safetensors(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    header = parse_safetensors_header(file.kept, file.entry.size)
    parts.weights[file.path] = header
    return header.notes


def _read_index(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    index = parse_index(file.kept)
    parts.indexes[file.path] = index
    return index.notes


def _read_config(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    # Code first: a configuration that names it is refused for that, whatever else is wrong with it.
    code = _find_code(file)
    try:
        config = parse_config(file.kept)
    except IntakeRefused as refusal:
        return (*code, *refusal.findings)
    parts.configs[file.path] = config
    return (*code, *config.notes)


def _read_generation_config(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    config = parse_generation_config(file.kept)
    parts.generation_configs[file.path] = config
    return (*_find_code(file), *config.notes)


def _read_adapter(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    adapter = parse_adapter(file.kept)
    parts.adapters[file.path] = adapter
    return (*_find_code(file), *adapter.notes)


def _read_tokenizer(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    parts.tokenizer_files += 1
    if parts.tokenizer_files > MAX_TOKENIZER_FILES:
        raise refuse(TOKENIZER_TOO_LARGE, f"it is one of more than {int(MAX_TOKENIZER_FILES)} tokenizers")
    tokenizer = parse_tokenizer(file.kept)
    if "/" not in file.path:  # those of folders are never held against anything, and a vocabulary is large
        parts.tokenizers[file.path] = tokenizer
    return tokenizer.notes


def _read_tokenizer_config(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    config = parse_tokenizer_config(file.kept)
    parts.tokenizer_configs[file.path] = config
    templates = _find_in_templates((text for _, text in config.templates), parts)
    return (*_find_code(file), *config.notes, *templates)


def _read_sentencepiece(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    from ostiary.intake.tokens.read_sentencepiece import parse_sentencepiece  # noqa: PLC0415  # few models hold one

    pieces = parse_sentencepiece(file.kept)
    parts.sentencepieces[file.path] = pieces
    return pieces.notes


def _read_vocabulary(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    vocabulary = parse_vocabulary_file(file.path, file.kept)
    parts.vocabularies[file.path] = vocabulary
    return vocabulary.notes


def _find_in_templates(texts: Iterable[str], parts: Parts) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for text in texts:
        parts.template_characters += len(text)
        if parts.template_characters > MAX_MODEL_TEMPLATE_CHARACTERS:
            detail = f"with it the templates exceed {int(MAX_MODEL_TEMPLATE_CHARACTERS):,} characters"
            return (*findings, Finding(TEMPLATE_TOO_LARGE, detail))
        findings += find_in_template(text)
    return tuple(findings)


def _read_template(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    if file.path.endswith(".json"):
        entry = parse_json_object(file.kept)
        texts = [text for _, text in read_templates(entry.get("chat_template"))]
        return (*find_code_in_json(entry), *_find_in_templates(texts, parts))
    try:
        return _find_in_templates([file.kept.decode("utf-8")], parts)
    except UnicodeDecodeError as error:
        return (Finding(TEMPLATE_MALFORMED, "it is not UTF-8", file.path, error.start),)


def _read_graph(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    from ostiary.graph.parse_graph import parse_graph  # noqa: PLC0415  # few models are functions

    parts.graphs[file.path] = parse_graph(file.kept)
    return ()


def _read_contract(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    parsed = parse_contract(file.kept)
    if isinstance(parsed, LanguageTerms):
        parts.terms[file.path] = parsed
    else:
        parts.contracts[file.path] = parsed
    return ()


def _read_card(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    from ostiary.intake.functions.read_card import parse_card  # noqa: PLC0415  # few models are functions

    card = parse_card(file.kept)
    parts.cards[file.path] = card
    return find_code_in_json(card)


def _read_json(file: ReadFile, _parts: Parts) -> tuple[Finding, ...]:
    return _find_code(file)


def _find_code(file: ReadFile) -> tuple[Finding, ...]:
    try:
        return find_code_in_json(parse_json(file.kept, allow_infinity=True))
    except IntakeRefused as refusal:
        return refusal.findings


def _read_gguf(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    from ostiary.intake.weights.read_gguf import parse_gguf  # noqa: PLC0415  # few models hold one

    header = parse_gguf(file.kept, file.entry.size)
    parts.foreign_tensors[file.path] = header.tensors
    template = () if header.chat_template is None else _find_in_templates([header.chat_template], parts)
    return (*header.notes, *template)


def _read_npy(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    from ostiary.intake.weights.read_npy import parse_npy  # noqa: PLC0415  # few models hold one

    header = parse_npy(file.kept, file.entry.size)
    parts.foreign_tensors[file.path] = (Tensor("array", header.dtype, header.shape, 0, header.data_bytes),)
    return ()


def _read_npz(file: ReadFile, parts: Parts) -> tuple[Finding, ...]:
    if isinstance(file.archive, IntakeRefused):
        raise file.archive
    if file.archive is not None:
        parts.foreign_tensors[file.path] = tuple(
            Tensor(member.name, member.header.dtype, member.header.shape, 0, member.header.data_bytes)
            for member in file.archive.members
        )
    return ()


def _read_mlxfn(file: ReadFile, _parts: Parts) -> tuple[Finding, ...]:
    from ostiary.intake.weights.read_mlxfn import parse_mlxfn  # noqa: PLC0415  # few models hold one

    parse_mlxfn(file.kept)
    return ()


_READERS: Final[Mapping[FileKind, Callable[[ReadFile, Parts], tuple[Finding, ...]]]] = MappingProxyType(
    {
        FileKind.SAFETENSORS: _read_safetensors,
        FileKind.INDEX: _read_index,
        FileKind.CONFIG: _read_config,
        FileKind.GENERATION_CONFIG: _read_generation_config,
        FileKind.TOKENIZER: _read_tokenizer,
        FileKind.TOKENIZER_CONFIG: _read_tokenizer_config,
        FileKind.SENTENCEPIECE: _read_sentencepiece,
        FileKind.VOCABULARY: _read_vocabulary,
        FileKind.CHAT_TEMPLATE: _read_template,
        FileKind.ADAPTER_CONFIG: _read_adapter,
        FileKind.GRAPH: _read_graph,
        FileKind.CONTRACT: _read_contract,
        FileKind.CARD: _read_card,
        FileKind.JSON: _read_json,
        FileKind.GGUF: _read_gguf,
        FileKind.NPY: _read_npy,
        FileKind.NPZ: _read_npz,
        FileKind.MLXFN: _read_mlxfn,
    }
)
