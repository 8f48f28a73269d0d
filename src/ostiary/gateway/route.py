"""What a route is: an address, what it takes and gives, and who answers. Values only; `app.py` composes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ostiary.core.callers import Scope
from ostiary.core.values import dataclass

if TYPE_CHECKING:
    import msgspec

    from ostiary.gateway.asked import Asked
    from ostiary.gateway.reply import Reply


class Dialect(Enum):
    """In whose words an address tells errors. `errors.py` renders them all."""

    OPENAI = "openai"
    """The error object of OpenAI's interface, also as a server-sent event."""
    RESPONSES = "responses"
    """The same, but events of a stream are those of OpenAI's Responses."""
    ANTHROPIC = "anthropic"
    PROBLEM = "problem"
    """RFC 9457."""
    INFERENCE = "inference"
    """The same with `error`, a sentence, as the Open Inference Protocol has it."""


Handler: TypeAlias = "Callable[[Asked, Any], Awaitable[Reply]]"
"""Gets the request and its body: of the type that `takes` names, or its bytes where that is None."""
FindPlace: TypeAlias = "Callable[[Asked, int], memoryview | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one address."""

    method: str
    """GET, HEAD comes with it; or POST."""
    path: str
    """`/v1/models/{model}`: a name in braces is a part of the path, in `Asked.path`; it may hold slashes where it
    ends the path and is written `{model:path}`.
    """
    handle: Handler
    dialect: Dialect
    summary: str
    """For /openapi.json."""
    takes: type[msgspec.Struct] | None = None
    """The body, a closed form: `class ChatBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True)`."""
    is_raw: bool = False
    """Whether the handler gets the bytes all the same, and judges them and their media type itself: a body that may
    have binary data behind its JSON. It may be as large as `tensor_body` in the settings.
    """
    find_place: FindPlace = lambda _asked, _size: None
    """Memory for a long raw body, where there is some that is better than any other."""
    gives: Any = None
    """The type of the JSON answer, or a tuple of several; so for `streams`."""
    streams: Any = None
    """The type of what each server-sent event has as data, where the answer may be a stream."""
    queries: tuple[str, ...] = ()
    """Names that its query may have, for `Asked.query`; any other is refused."""
    is_open: bool = False
    """Whether it answers whoever asks."""
    right: Scope | None = Scope.INFER
    """What whoever asks must be allowed to do; None: who is known at all may ask."""
    may_load: bool = False
    """Whether a GET may have a model loaded: then it counts as a request to it."""
    most_body_bytes: int | None = None
    """Where another ceiling holds than for all."""

    @property
    def is_counted(self) -> bool:
        """Whether it is a request to a model, of which a tenant may have only so many."""
        return self.may_load or (self.method == "POST" and self.right is Scope.INFER)
