"""Step 7 with a policy: decides, asks somebody where only a word is missing, and remembers what was let in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ostiary.trust.decide import explain
from ostiary.trust.decision import Decision
from ostiary.trust.evidence import Evidence
from ostiary.trust.explanation import Circumstances, Explanation
from ostiary.trust.policy import Policy
from ostiary.trust.rollback import VersionMemory

Ask = Callable[[Explanation], bool]
"""Asks a person whether a model that was never seen here is the right one."""


class PolicyDecider:
    """What a verification calls with its evidence. Keeps the explanation, also where the answer is no."""

    def __init__(
        self,
        policy: Policy,
        memory: VersionMemory,
        circumstances: Circumstances,
        *,
        correlation_id: str,
        ask: Ask | None = None,
        is_pinning: bool = False,
        is_rehearsal: bool = False,
    ) -> None:
        self.explanation: Explanation | None = None
        self._policy = policy
        self._memory = memory
        self._circumstances = circumstances
        self._correlation_id = correlation_id
        self._ask = ask
        self._is_pinning = is_pinning
        self._is_rehearsal = is_rehearsal

    def __call__(self, evidence: Evidence) -> Decision:
        """The yes, or the refusal. Nothing is remembered in a rehearsal, nor on less than a whole yes.

        Who pins says that this version is the right one, also after a newer one; nothing else is overruled by it.
        """
        answer = self._explain(evidence)
        if self._is_pinning:
            has_word = answer.needs_only_a_word
        else:
            has_word = answer.is_only_unpinned and self._ask is not None and self._ask(answer)
        if has_word:
            self._remember(answer, evidence, is_pinned=True)
            answer = self._explain(evidence)
        self.explanation = answer
        decision = answer.decision()
        if answer.may_be_remembered and not self._is_rehearsal:
            self._remember(answer, evidence, is_pinned=False)
        return decision

    def _explain(self, evidence: Evidence) -> Explanation:
        return explain(self._policy, evidence, replace(self._circumstances, memory=self._memory.read()))

    def _remember(self, answer: Explanation, evidence: Evidence, *, is_pinned: bool) -> None:
        if answer.model_id is None:
            return
        self._memory.remember(
            answer.model_id,
            answer.version,
            evidence.root,
            correlation_id=self._correlation_id,
            is_pinned=is_pinned,
        )
