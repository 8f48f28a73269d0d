"""A tokenizer held against the configuration beside it: which special tokens are missing, or are ordinary text."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_FINDINGS
from ostiary.core.text import quote_untrusted
from ostiary.intake.rules.tokenizer import TOKENIZER_SPECIAL_IS_ORDINARY, TOKENIZER_SPECIAL_MISSING
from ostiary.intake.tokens.read_tokenizer_config import TokenizerConfig
from ostiary.intake.tokens.tokenizer import Tokenizer


def find_special_token_conflicts(
    tokenizer: Tokenizer, config: TokenizerConfig, further: Iterable[tuple[str, str]] = ()
) -> tuple[Finding, ...]:
    """Notes on special tokens. `further`: role and content from special_tokens_map.json."""
    added = {token.content for token in tokenizer.added}
    findings: list[Finding] = []
    seen: set[str] = set()
    for role, content in (*config.special_tokens, *further):
        if not content or content in seen or content in added:
            continue
        if len(findings) >= MAX_FINDINGS:
            break
        seen.add(content)
        quoted, named = quote_untrusted(content), quote_untrusted(role)
        if content in tokenizer.vocabulary:
            findings.append(
                Finding(TOKENIZER_SPECIAL_IS_ORDINARY, f"{named} is '{quoted}', a word of the vocabulary")
            )
        else:
            findings.append(Finding(TOKENIZER_SPECIAL_MISSING, f"{named} is '{quoted}', which the tokenizer lacks"))
    return tuple(findings)


def find_highest_id(tokenizer: Tokenizer, config: TokenizerConfig | None, further: Iterable[str] = ()) -> int:
    """The highest id that a loader can come to: missing tokens are added behind the tokenizer's own.

    `further`: tokens of special_tokens_map.json and added_tokens.json.
    """
    contents = {*further}
    if config is not None:
        contents |= {content for _, content in config.special_tokens}
        contents |= {token.content for token in config.added}
    missing = contents - {token.content for token in tokenizer.added} - tokenizer.vocabulary.keys() - {""}
    if not missing:
        return tokenizer.max_id
    return max(tokenizer.max_id, tokenizer.max_id + len(missing), tokenizer.size + len(missing) - 1)
