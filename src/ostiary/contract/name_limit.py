"""What the engine refused: a bound of the contract as the room names the others, else the field that it means."""

from __future__ import annotations

from ostiary.contract.unfit import unfit
from ostiary.core.call_sentences import FORM, find_field
from ostiary.core.call_sentences import PROMPT as ABOUT_PROMPT
from ostiary.core.frames import LimitName
from ostiary.core.terms.values import MESSAGES, PROMPT, TEXT
from ostiary.core.tickets import CheckedRequest
from ostiary.errors import CONTRACT_TOO_LONG, CallRefused


def name_limit(error: BaseException, request: CheckedRequest) -> BaseException:
    """The same error with its field, where it is no such bound. Nothing of the engine's words is taken over."""
    if not isinstance(error, CallRefused):
        return error
    field = next(name for name in (MESSAGES, PROMPT, TEXT) if name in request.body)
    match error.limit:
        case LimitName.PROMPT:
            limit, rule, what = request.prompt_limit, f"inputs.{field}.max_tokens", "has"
        case LimitName.CONTEXT:
            limit, rule, what = request.context_limit, "context_tokens", "and its answer come to"
        case _:
            about = find_field(error.public_detail)
            form = "response_format" if "response_format" in request.body else "tools"
            error.field = {FORM: form, ABOUT_PROMPT: field}.get(about, about)
            return error
    if limit is None:  # the worker speaks of a bound that nobody gave it
        return error
    refusal = unfit(
        CONTRACT_TOO_LONG, field, f"{what} more than the {limit:,} tokens that the contract allows", rule, limit
    )
    refusal.__cause__ = error
    return refusal
