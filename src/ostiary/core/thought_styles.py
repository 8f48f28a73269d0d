"""How models write what they think before they answer: a closed list of manners, told by their vocabularies."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass


class ThoughtStyle(StrEnum):
    """Named after who writes so, or after the words."""

    THINK = "think"
    """`<think>thoughts</think>`"""
    LONGCAT = "longcat"
    """`<longcat_think>thoughts</longcat_think>`"""
    COLON = "think-colon"
    """`<|think:start|>thoughts<|think:end|>`"""
    MISTRAL = "mistral"
    """`[THINK]thoughts[/THINK]`"""
    GEMMA_4 = "gemma-4"
    """`<|channel>thought` and a line, then thoughts, then `<channel|>`."""
    SEED = "seed"
    """`<seed:think>thoughts</seed:think>`"""
    HARMONY = "harmony"
    """`<|channel|>analysis<|message|>thoughts<|end|>`, one message among others: answer/harmony.py."""


@dataclass(frozen=True, slots=True)
class ThoughtMarks:
    """What stands before a thought and behind it."""

    begin: str
    end: str
    words: tuple[str, ...] = ()
    """The control tokens in them, where they are not these themselves."""
    others: tuple[str, ...] = ()
    """Further control tokens that tell where thoughts and texts are."""

    @property
    def controls(self) -> tuple[str, ...]:
        return self.words or (self.begin, self.end)


@dataclass(frozen=True, slots=True)
class Thinking:
    """What has to be known of an answer to tell its thoughts from its text."""

    style: ThoughtStyle
    is_begun: bool
    """Whether it begins as a thought, because the prompt ends within one."""


def describe_thinking(thinking: Thinking) -> dict[str, JsonValue]:
    """As a worker tells of it."""
    return {"style": thinking.style.value, "is_begun": thinking.is_begun}


THOUGHT_MARKS: Final = {
    ThoughtStyle.THINK: ThoughtMarks("<think>", "</think>"),
    ThoughtStyle.LONGCAT: ThoughtMarks("<longcat_think>", "</longcat_think>"),
    ThoughtStyle.COLON: ThoughtMarks("<|think:start|>", "<|think:end|>"),
    ThoughtStyle.MISTRAL: ThoughtMarks("[THINK]", "[/THINK]"),
    ThoughtStyle.GEMMA_4: ThoughtMarks("<|channel>thought", "<channel|>", ("<|channel>", "<channel|>")),
    ThoughtStyle.SEED: ThoughtMarks("<seed:think>", "</seed:think>"),
    ThoughtStyle.HARMONY: ThoughtMarks(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        ("<|start|>", "<|channel|>", "<|message|>", "<|end|>"),
        ("<|constrain|>", "<|call|>", "<|return|>"),
    ),
}
"""In the order in which they are looked for: first those that MLX-LM knows."""


def find_thought_style(has_token: Callable[[str], bool]) -> ThoughtStyle | None:
    """By the tokens of a vocabulary, as MLX-LM does. None: the model writes no thoughts that could be told."""
    return next((style for style, marks in THOUGHT_MARKS.items() if all(map(has_token, marks.controls))), None)
