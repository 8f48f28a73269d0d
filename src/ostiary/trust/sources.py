"""Where a model may come from: a directory below a local root, a repository of a hub, a mirror.

A place is named as evidence names it: an absolute directory, `hub:owner/name` or an https address.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from ostiary.core.model_id import is_model_id, parse_pattern
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_MALFORMED, TrustRefused

ANYWHERE: Final = "anywhere"
_HUB: Final = "hub:"
_MIRROR: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/(?:[A-Za-z0-9._~-]+/)*", re.ASCII)
_PAGE: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)+/?", re.ASCII)
_DOTS: Final = frozenset({".", ".."})


class SourceKind(StrEnum):
    ANYWHERE = "anywhere"
    LOCAL = "local"
    MIRROR = "mirror"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Source:
    """One allowed place, as it stands in the policy."""

    kind: SourceKind
    text: str

    def admits(self, place: str) -> bool:
        """Whether this place lies within. A place that is not in its plainest spelling lies nowhere."""
        if self.kind is SourceKind.ANYWHERE:
            return True
        if self.kind is SourceKind.HUB:
            name = place.removeprefix(_HUB)
            return place.startswith(_HUB) and is_model_id(name) and parse_pattern(self.text[4:]).matches(name)
        if not _is_plain(place):
            return False
        if self.kind is SourceKind.MIRROR:
            return _PAGE.fullmatch(place) is not None and place.startswith(self.text) and place != self.text
        return place.startswith("/") and (self.text == "/" or f"{place}/".startswith(f"{self.text}/"))


def parse_source(text: str) -> Source:
    """Reads one entry of a rule's `sources`."""
    if text == ANYWHERE:
        return Source(SourceKind.ANYWHERE, text)
    if text.startswith(_HUB):
        parse_pattern(text.removeprefix(_HUB))
        return Source(SourceKind.HUB, text)
    if _MIRROR.fullmatch(text) and _is_plain(text):
        return Source(SourceKind.MIRROR, text)
    if text.startswith("/") and (text == "/" or (not text.endswith("/") and _is_plain(text))):
        return Source(SourceKind.LOCAL, text)
    raise TrustRefused(
        TRUST_MALFORMED,
        f"{quote_untrusted(text, 80)!r} is not a source",
        hint=(
            "Write an absolute directory without a slash at its end, 'hub:owner/name', 'hub:owner/*', "
            "an https address with a slash at its end, or 'anywhere'."
        ),
    )


def _is_plain(place: str) -> bool:
    """No part is empty or dots: else two spellings of one place, or a way out of it."""
    path = place.partition("://")[2].partition("/")[2] if "://" in place else place.removeprefix("/")
    parts = path.removesuffix("/").split("/") if path else []
    return all(part and part not in _DOTS for part in parts)
