"""Makes answers of what workers say, judged piece by piece, and sees to it that each request ends once.

In: CheckedRequest and the replies to it
Out: Answer
Trusts: the clock; of what a worker says, nothing
Refuses: AnswerRefused
Emits: request.answered, request.cancelled, request.failed, request.refused
"""

from __future__ import annotations

from ostiary.answer.endings import RequestEnding, RequestEndings
from ostiary.answer.gather import Gathering

__all__ = ["Gathering", "RequestEnding", "RequestEndings"]
