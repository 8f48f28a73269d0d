"""What kind a file is: by its bytes where they say something dangerous, else by its name, else by its bytes again.

A name never makes bytes safer. It only chooses the strict reader that will then judge them.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.function_files import CARD_FILE, GRAPH_FILE, TENSORS_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.tickets import FileKind
from ostiary.intake.code.magic import find_format, find_image, is_text

# Names that loaders open, and the reader that judges each. These are also the names worth imitating (names.py).
LOADED_NAMES: Final = {
    "config.json": FileKind.CONFIG,
    "generation_config.json": FileKind.GENERATION_CONFIG,
    "tokenizer.json": FileKind.TOKENIZER,
    "tokenizer_config.json": FileKind.TOKENIZER_CONFIG,
    "tokenizer.model": FileKind.SENTENCEPIECE,
    "vocab.json": FileKind.VOCABULARY,
    "merges.txt": FileKind.VOCABULARY,
    "vocab.txt": FileKind.VOCABULARY,
    "added_tokens.json": FileKind.VOCABULARY,
    "special_tokens_map.json": FileKind.VOCABULARY,
    "chat_template.jinja": FileKind.CHAT_TEMPLATE,
    "chat_template.json": FileKind.CHAT_TEMPLATE,
    "adapter_config.json": FileKind.ADAPTER_CONFIG,
    "adapters.safetensors": FileKind.SAFETENSORS,
    "adapter_model.safetensors": FileKind.SAFETENSORS,
    "model.safetensors": FileKind.SAFETENSORS,
    "model.safetensors.index.json": FileKind.INDEX,
    "spiece.model": FileKind.SENTENCEPIECE,
    "sentencepiece.bpe.model": FileKind.SENTENCEPIECE,
    "preprocessor_config.json": FileKind.JSON,
    "processor_config.json": FileKind.JSON,
    GRAPH_FILE: FileKind.GRAPH,
    CONTRACT_FILE: FileKind.CONTRACT,
    CARD_FILE: FileKind.CARD,
    TENSORS_FILE: FileKind.SAFETENSORS,
    "model.sig": FileKind.SIGNATURE,
}
_ENDINGS: Final = (
    (".safetensors.index.json", FileKind.INDEX),
    (".sigstore.json", FileKind.SIGNATURE),
    (".safetensors", FileKind.SAFETENSORS),
    (".sigstore", FileKind.SIGNATURE),
    (".sig", FileKind.SIGNATURE),
    (".gguf", FileKind.GGUF),
    (".npy", FileKind.NPY),
    (".npz", FileKind.NPZ),
    (".mlxfn", FileKind.MLXFN),
    (".spm", FileKind.SENTENCEPIECE),
    (".tiktoken", FileKind.VOCABULARY),
    (".jinja", FileKind.CHAT_TEMPLATE),
    (".jinja2", FileKind.CHAT_TEMPLATE),
    (".j2", FileKind.CHAT_TEMPLATE),
    (".json", FileKind.JSON),
)
CODE_EXTENSIONS: Final = frozenset(
    "py pyc pyo pyi pyw pyx pxd ipynb sh bash zsh fish csh ksh command bat cmd ps1 psm1 vbs wsf js mjs cjs jsx ts "
    "tsx lua luac rb pl pm php tcl r jl awk scpt applescript metal metallib cu cuh cl ptx cubin hip c cc cpp cxx h "
    "hh hpp m mm swift rs go zig java kt scala groovy cs fs hs f90 s asm cmake mk desktop reg".split()
)
EXECUTABLE_EXTENSIONS: Final = frozenset(
    "so dylib dll pyd exe com scr msi o obj a lib ko elf bin-x86 wasm class dex apk app lnk sys node".split()
)
_CODE_NAMES: Final = frozenset(
    "makefile gnumakefile dockerfile containerfile justfile rakefile cmakelists.txt".split()
)
_PICKLE_EXTENSIONS: Final = frozenset("pkl pickle pt pth ckpt joblib dill cloudpickle sav".split())
_PICKLE_BIN: Final = re.compile(
    r"(?:pytorch_|diffusion_pytorch_)?model(?:[-.].*)?\.bin|adapter_model\.bin|(?:training_args|optimizer|scheduler)\.bin"
)
_ARCHIVE_EXTENSIONS: Final = frozenset(
    "zip tar tgz tbz txz gz bz2 xz zst lz4 7z rar cab jar whl egg nemo mar keras mlpackage dmg iso deb rpm".split()
)
# Weights that only another framework reads. Some run code when read: a Keras Lambda layer, a custom operator.
FOREIGN_EXTENSIONS: Final = frozenset(
    "h5 hdf5 keras onnx ort pb tflite mlmodel mlmodelc msgpack pdparams ggml ot".split()
)
_DOCUMENT_EXTENSIONS: Final = frozenset(
    "md markdown rst txt html htm css csv tsv bib cff yaml yml toml png jpg jpeg gif webp svg pdf ico".split()
)
# Mistral numbers its SentencePiece models: tokenizer.model.v3, tokenizer.model.v7m1.
_NUMBERED_PIECES: Final = re.compile(r"tokenizer\.model\.v\d{1,3}(?:m\d{1,3})?")
_IMAGE_EXTENSIONS: Final = frozenset("png jpg jpeg gif webp pdf ico".split())
_DOCUMENT_NAMES: Final = frozenset(
    "readme license licence notice copying authors changelog citation use_policy .gitattributes .gitignore "
    ".gitkeep .ds_store cachedir.tag".split()
)
_STEM_END: Final = re.compile(r"[-_. ]")
# A reader of the name's own kind would refuse these anyway; saying what they are says more.
_DANGEROUS: Final = frozenset(
    {
        FileKind.GGUF,
        FileKind.NPY,
        FileKind.NPZ,
        FileKind.MLXFN,
        FileKind.PICKLE,
        FileKind.CODE,
        FileKind.ARCHIVE,
        FileKind.EXECUTABLE,
    }
)


def recognise_file(path: str, head: bytes, size: int) -> FileKind:
    """The kind of the file at `path` that has `size` bytes and begins with `head`."""
    content = find_format(head, size)
    if content is not None and content.kind in _DANGEROUS:
        return _name_if_it_agrees(path, content.kind)
    named = find_kind_of_name(path)
    if named is FileKind.DOCUMENT:
        return named if content is None and _is_document(path, head) else FileKind.UNKNOWN
    if named is FileKind.SIGNATURE:
        return named if is_text(head) else FileKind.UNKNOWN
    if named is not None:
        return named
    if content is not None:
        return content.kind
    return FileKind.DOCUMENT if find_image(head) is not None else FileKind.UNKNOWN


def find_kind_of_name(path: str) -> FileKind | None:
    """The kind that the name claims; None where it claims nothing. Loaders' own names count exactly as written."""
    name = path.rpartition("/")[2]
    known = LOADED_NAMES.get(name)
    if known is not None:
        return known
    lowered = name.lower()
    if _NUMBERED_PIECES.fullmatch(lowered):
        return FileKind.SENTENCEPIECE
    extension = lowered.rpartition(".")[2] if "." in lowered else ""
    if extension in CODE_EXTENSIONS or lowered in _CODE_NAMES:
        return FileKind.CODE
    if extension in EXECUTABLE_EXTENSIONS:
        return FileKind.EXECUTABLE
    if extension in _PICKLE_EXTENSIONS or _PICKLE_BIN.fullmatch(lowered):
        return FileKind.PICKLE
    if extension in _ARCHIVE_EXTENSIONS:
        return FileKind.ARCHIVE
    if extension in FOREIGN_EXTENSIONS:
        return FileKind.UNKNOWN
    for ending, kind in _ENDINGS:
        if lowered.endswith(ending):
            return kind
    if (
        extension in _DOCUMENT_EXTENSIONS
        or lowered in _DOCUMENT_NAMES
        or _STEM_END.split(lowered)[0] in _DOCUMENT_NAMES
    ):
        return FileKind.DOCUMENT
    return None


def _name_if_it_agrees(path: str, content: FileKind) -> FileKind:
    """A zip is also what .npz and .pt files are made of: the name is then exacter."""
    named = find_kind_of_name(path)
    if content is FileKind.ARCHIVE and named in {FileKind.NPZ, FileKind.PICKLE}:
        return named
    return content


def _is_document(path: str, head: bytes) -> bool:
    """Pictures must be pictures and texts must be text; a file manager's notes are told by their own signature."""
    if find_image(head) is not None:
        return True
    lowered = path.rpartition("/")[2].lower()
    if lowered == ".ds_store":
        return head.startswith(b"\0\0\0\x01Bud1") or not head
    if lowered.endswith(".ico") and head.startswith(b"\0\0\x01\0"):
        return True
    if lowered.rpartition(".")[2] in _IMAGE_EXTENSIONS:
        return False
    return is_text(head)
