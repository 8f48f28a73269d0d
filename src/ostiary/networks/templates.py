"""Where a model keeps its chat templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.frames import ErrorName
from ostiary.networks.configuration import read_object
from ostiary.networks.unfit import ModelUnfit

_FILE: Final = "chat_template.jinja"
_FOLDER: Final = "additional_chat_templates/"
_ENDING: Final = ".jinja"


def read_templates(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Name to source. Files of their own take the place of those in tokenizer_config.json."""
    found: dict[str, str] = {}
    for path, data in contents.items():
        if path == _FILE:
            found["default"] = _decode(data)
        elif path.startswith(_FOLDER) and path.endswith(_ENDING):
            found[path.removeprefix(_FOLDER).removesuffix(_ENDING)] = _decode(data)
    if found:
        return found
    claimed = (read_object(contents, "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(claimed, str):
        return {"default": claimed}
    for entry in claimed if isinstance(claimed, list) else []:
        if (
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and isinstance(entry.get("template"), str)
        ):
            found[str(entry["name"])] = str(entry["template"])
    return found


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "a chat template is not UTF-8") from error
