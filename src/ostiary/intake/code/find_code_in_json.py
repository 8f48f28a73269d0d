"""Keys in a model's JSON files by which a program would run code, or fetch it.

What is interpreted where: `model_file` by MLX-LM; `auto_map`, `custom_pipelines` and the implementation keys by
Transformers; `parent_library` by PEFT; `_target_` by Hydra; `py/...` by jsonpickle. Any file of a model is held
against all of them: each is also read by programs other than those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_CODE_FINDINGS
from ostiary.core.text import quote_untrusted
from ostiary.intake.read_json import JsonValue
from ostiary.intake.rules.config import (
    REFERENCE_AUTO_MAP,
    REFERENCE_CUSTOM_PIPELINE,
    REFERENCE_KERNEL,
    REFERENCE_MODEL_FILE,
    REFERENCE_OBJECT,
    REFERENCE_PARENT_LIBRARY,
    REFERENCE_REMOTE,
    REFERENCE_TRUST_ASKED,
)

# owner/repository--module.Class, with dots in every part but the last.
_REMOTE_CLASS: Final = re.compile(r"[\w.-]+/[\w.-]+--[\w.]+\.[A-Za-z_]\w*", re.ASCII)


def find_code_in_json(value: JsonValue) -> tuple[Finding, ...]:
    """All such keys at any depth, in the order of the text; the list ends where nobody reads on."""
    findings: list[Finding] = []
    waiting: list[JsonValue] = [[value]]
    while waiting and len(findings) < MAX_CODE_FINDINGS:
        part = waiting.pop()
        inner: Iterable[JsonValue] = ()
        if isinstance(part, dict):
            findings.extend(_look_at_keys(part))
            inner = part.values()
        elif isinstance(part, list):
            inner = part
        later: list[JsonValue] = []
        for entry in inner:
            if isinstance(entry, str):
                if "--" in entry and _REMOTE_CLASS.fullmatch(entry):
                    name = quote_untrusted(entry)
                    findings.append(Finding(REFERENCE_REMOTE, f"'{name}' names a class in another repository"))
            elif isinstance(entry, dict | list):
                later.append(entry)
        waiting.extend(reversed(later))
    return tuple(findings[:MAX_CODE_FINDINGS])


def _look_at_keys(part: Mapping[str, JsonValue]) -> Iterator[Finding]:
    # The keys looked for are few and the objects can be vocabularies.
    for key, look in _LOOKS.items():
        value = part.get(key)
        found = None if value is None else look(key, value)
        if found is not None:
            yield found


def _look_for_model_file(key: str, value: JsonValue) -> Finding | None:
    if not isinstance(value, str):
        return None
    return Finding(REFERENCE_MODEL_FILE, f"{key} is '{quote_untrusted(value)}'")


def _look_for_auto_map(key: str, value: JsonValue) -> Finding | None:
    if isinstance(value, dict):
        named = sorted(value)[:3]
    elif isinstance(value, list | str):
        named = ["AutoTokenizer"]
    else:
        return None
    if not value:
        return None
    return Finding(REFERENCE_AUTO_MAP, f"{key} has classes of its own for {quote_untrusted(', '.join(named))}")


def _look_for_trust(key: str, value: JsonValue) -> Finding | None:
    return Finding(REFERENCE_TRUST_ASKED, f"{key} is true") if value is True else None


def _look_for_pipeline(key: str, value: JsonValue) -> Finding | None:
    if not isinstance(value, dict | list | str) or not value:
        return None
    return Finding(REFERENCE_CUSTOM_PIPELINE, f"{key} names a class of its own")


def _look_for_kernel(key: str, value: JsonValue) -> Finding | None:
    names = value.values() if isinstance(value, dict) else [value]
    for name in names:
        if isinstance(name, str) and "/" in name:
            return Finding(REFERENCE_KERNEL, f"{key} is '{quote_untrusted(name)}', a repository")
    return None


def _look_for_object(key: str, value: JsonValue) -> Finding | None:
    if not isinstance(value, str | dict | list):
        return None
    what = f"'{quote_untrusted(value)}'" if isinstance(value, str) else "an object"
    return Finding(REFERENCE_OBJECT, f"{key} asks for {what}")


def _look_for_library(key: str, value: JsonValue) -> Finding | None:
    if not isinstance(value, str) or value.split(".", 1)[0] in ("transformers", "torch", "diffusers"):
        return None
    return Finding(REFERENCE_PARENT_LIBRARY, f"{key} is '{quote_untrusted(value)}'")


_LOOKS: Final[Mapping[str, Callable[[str, JsonValue], Finding | None]]] = MappingProxyType(
    {
        "model_file": _look_for_model_file,
        "auto_map": _look_for_auto_map,
        "trust_remote_code": _look_for_trust,
        "custom_pipelines": _look_for_pipeline,
        "attn_implementation": _look_for_kernel,
        "_attn_implementation": _look_for_kernel,
        "_attn_implementation_internal": _look_for_kernel,
        "experts_implementation": _look_for_kernel,
        "_experts_implementation": _look_for_kernel,
        "_target_": _look_for_object,
        "py/object": _look_for_object,
        "py/reduce": _look_for_object,
        "py/function": _look_for_object,
        "py/type": _look_for_object,
        "parent_library": _look_for_library,
    }
)
