"""How models write that a tool is to be called: a closed list of manners, told by markers of chat templates."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ostiary.core.values import dataclass


class ToolStyle(StrEnum):
    """Named after who writes so."""

    HERMES = "hermes"
    """`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, once for each call; Qwen writes so, too."""
    QWEN_CODER = "qwen-coder"
    """`<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`"""
    GLM = "glm"
    """`<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`"""
    MISTRAL = "mistral"
    """`[TOOL_CALLS][{"name": ..., "arguments": {...}}]`, or `[TOOL_CALLS]name[ARGS]{...}`, to the end."""
    KIMI = "kimi"
    """`<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>`"""
    PYTHONIC = "pythonic"
    """`<|tool_call_start|>[name(key="value")]<|tool_call_end|>`"""
    JSON = "json"
    """The whole answer is `{"name": ..., "parameters": {...}}`, as Llama 3 writes it, or with `arguments`."""


@dataclass(frozen=True, slots=True)
class ToolMarkers:
    """What stands before a call, or several, and behind it. Empty: the beginning or the end of the answer."""

    begin: str
    end: str
    others: tuple[str, ...] = ()
    """Further words within, which a tokenizer may call special."""


MARKERS: Final = {
    ToolStyle.HERMES: ToolMarkers("<tool_call>", "</tool_call>"),
    ToolStyle.QWEN_CODER: ToolMarkers("<tool_call>", "</tool_call>"),
    ToolStyle.GLM: ToolMarkers(
        "<tool_call>", "</tool_call>", ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
    ),
    ToolStyle.MISTRAL: ToolMarkers("[TOOL_CALLS]", "", ("[ARGS]", "[CALL_ID]")),
    ToolStyle.KIMI: ToolMarkers(
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        ("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    ),
    ToolStyle.PYTHONIC: ToolMarkers("<|tool_call_start|>", "<|tool_call_end|>"),
    ToolStyle.JSON: ToolMarkers("", ""),
}


def find_tool_style(template: str) -> ToolStyle:
    """By what a chat template writes. One without a marker that is known: as JSON."""
    if "<arg_key>" in template:
        return ToolStyle.GLM
    if "<tool_call>" in template:
        return ToolStyle.QWEN_CODER if "<function=" in template else ToolStyle.HERMES
    if "<|tool_calls_section_begin|>" in template:
        return ToolStyle.KIMI
    if "<|tool_call_start|>" in template or "<|tool_list_start|>" in template:
        return ToolStyle.PYTHONIC
    return ToolStyle.MISTRAL if "[TOOL_CALLS]" in template else ToolStyle.JSON
