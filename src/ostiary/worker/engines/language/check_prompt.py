"""How many tokens a prompt has, and how many its answer may have: known when the tokenizer has read the prompt.

Two kinds of bounds: the model's own (`Bounds`), and those of its contract, which came along with the call.
"""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.worker.engines.contract import CallOverLimit, CallUnfit, LimitName
from ostiary.worker.engines.language.check_calls import Bounds, check_ids
from ostiary.worker.engines.language.options import ContractLimits, Generation


def check_length(ids: Sequence[int], name: str, bounds: Bounds) -> None:
    """Also what the tokenizer made: a vocabulary may be larger than the embedding."""
    if not ids:
        raise CallUnfit(f"{name} has no tokens")
    if len(ids) > bounds.context_tokens:
        raise CallUnfit(f"{name} has {len(ids)} tokens; the context has {bounds.context_tokens}")
    if min(ids) < 0 or max(ids) >= bounds.rows:
        check_ids(ids, name, bounds)


def check_text(ids: Sequence[int], limits: ContractLimits, bounds: Bounds) -> None:
    """That is read and not continued."""
    check_length(ids, "the text", bounds)
    for limit, most in ((LimitName.PROMPT, limits.prompt), (LimitName.CONTEXT, limits.context)):
        if most is not None and len(ids) > most:
            raise CallOverLimit(limit, f"the text has {len(ids)} tokens; {limit.value} is {most}")


def check_prompt(ids: Sequence[int], generation: Generation, bounds: Bounds) -> int:
    """How many tokens the answer may have."""
    check_length(ids, "the prompt", bounds)
    limits, wanted = generation.limits, generation.max_tokens
    if limits.prompt is not None and len(ids) > limits.prompt:
        raise CallOverLimit(LimitName.PROMPT, f"the prompt has {len(ids)} tokens; prompt_limit is {limits.prompt}")
    if limits.context is not None and len(ids) + (wanted or 1) > limits.context:
        raise CallOverLimit(
            LimitName.CONTEXT,
            f"{len(ids)} tokens of prompt and {wanted or 1} of answer pass context_limit, {limits.context}",
        )
    context = bounds.context_tokens if limits.context is None else min(bounds.context_tokens, limits.context)
    room = context - len(ids)
    if room < 1:
        raise CallUnfit(f"the prompt has {len(ids)} tokens; the context has {context}")
    if wanted is not None and wanted > room:
        raise CallUnfit(f"{len(ids)} tokens of prompt and {wanted} of answer do not fit; the context has {context}")
    if wanted is not None:
        return wanted
    most = min(room, bounds.max_tokens // generation.choices)
    return most if limits.answer is None else min(most, limits.answer)
