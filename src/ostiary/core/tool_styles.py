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
    MINIMAX = "minimax"
    """`<invoke name="name"><parameter name="key">value</parameter></invoke>`, within `<minimax:tool_call>`."""
    LONGCAT = "longcat"
    """As GLM, with words of its own: `<longcat_tool_call>`."""
    MINICPM = "minicpm"
    """`<function name="name"><param name="key">value</param></function>`"""
    MUSE = "muse"
    """As MiniMax, with words of its own: `<atem:function_calls>`."""
    GEMMA = "gemma"
    """`<start_function_call>call:name{key:<escape>value<escape>}<end_function_call>`"""
    GEMMA_4 = "gemma-4"
    """`<|tool_call>call:name{key:<|"|>value<|"|>}<tool_call|>`"""
    DEEPSEEK = "deepseek"
    """A name, a mark and `{...}`; or as it was before: `function`, the mark, the name and a block of JSON."""
    SEED = "seed"
    """As Qwen's coders, with a marker of its own: `<seed:tool_call>`."""
    HARMONY = "harmony"
    """`<|channel|>commentary to=functions.name <|constrain|>json<|message|>{...}<|call|>`, as gpt-oss writes it."""
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
    ToolStyle.MINIMAX: ToolMarkers("<minimax:tool_call>", "</minimax:tool_call>"),
    ToolStyle.LONGCAT: ToolMarkers(
        "<longcat_tool_call>",
        "</longcat_tool_call>",
        ("<longcat_arg_key>", "</longcat_arg_key>", "<longcat_arg_value>", "</longcat_arg_value>"),
    ),
    ToolStyle.MINICPM: ToolMarkers("<function name=", "</function>", ("<function", "<param", "</param>")),
    ToolStyle.MUSE: ToolMarkers("<atem:function_calls>", "</atem:function_calls>"),
    ToolStyle.GEMMA: ToolMarkers("<start_function_call>", "<end_function_call>", ("<escape>",)),
    ToolStyle.GEMMA_4: ToolMarkers("<|tool_call>", "<tool_call|>", ('<|"|>',)),
    ToolStyle.DEEPSEEK: ToolMarkers(
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        "<\uff5ctool\u2581calls\u2581end\uff5c>",
        (
            "<\uff5ctool\u2581call\u2581begin\uff5c>",
            "<\uff5ctool\u2581sep\uff5c>",
            "<\uff5ctool\u2581call\u2581end\uff5c>",
        ),
    ),
    ToolStyle.SEED: ToolMarkers("<seed:tool_call>", "</seed:tool_call>"),
    ToolStyle.HARMONY: ToolMarkers(
        " to=functions.", "", ("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>")
    ),
    ToolStyle.JSON: ToolMarkers("", ""),
}
_BY_TEMPLATE: Final = (
    ("<minimax:tool_call>", ToolStyle.MINIMAX),
    ("<|tool_call>", ToolStyle.GEMMA_4),
    ("<start_function_call>", ToolStyle.GEMMA),
    ("<longcat_tool_call>", ToolStyle.LONGCAT),
    ("<arg_key>", ToolStyle.GLM),
    ("<|tool_calls_section_begin|>", ToolStyle.KIMI),
    ("<|tool_call_start|>", ToolStyle.PYTHONIC),
    ("<|tool_list_start|>", ToolStyle.PYTHONIC),
    ('<function name="', ToolStyle.MINICPM),
    ("[TOOL_CALLS]", ToolStyle.MISTRAL),
    ("<atem:function_calls>", ToolStyle.MUSE),
    ("<seed:tool_call>", ToolStyle.SEED),
    ("<\uff5ctool\u2581calls\u2581begin\uff5c>", ToolStyle.DEEPSEEK),
    ("<|channel|>commentary", ToolStyle.HARMONY),
)
"""In the order in which MLX-LM looks for them; those that it does not know come last."""


def find_tool_style(template: str) -> ToolStyle:
    """By what a chat template writes. One without a marker that is known: as JSON."""
    found = next((style for mark, style in _BY_TEMPLATE if mark in template), None)
    if "<tool_call>" in template and found is not ToolStyle.GLM:
        return ToolStyle.QWEN_CODER if "<function=" in template else ToolStyle.HERMES
    return found or ToolStyle.JSON
