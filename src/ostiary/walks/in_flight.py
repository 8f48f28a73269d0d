"""What is on its way to a model's process and back: from its place before the gate to its one ending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from ostiary.answer import RequestEnding
    from ostiary.cell.group import CellGroup
    from ostiary.cell.running import RunningCell
    from ostiary.errors import SandboxViolation
    from ostiary.walks.placed_call import PlacedCall

Answered = TypeVar("Answered")


class InFlight(Generic[Answered]):
    """One thread at a time starts and reads it; `cancel` and `let_go` may come from any."""

    def __init__(self, cell: RunningCell | CellGroup, placed: PlacedCall, ending: RequestEnding) -> None:
        self._cell: Final = cell
        self._placed: Final = placed
        self._ending: Final = ending
        self._answer: Answered | None = None
        self._error: BaseException | None = None
        self._is_cancelled = False

    @property
    def is_waiting(self) -> bool:
        """Whether its turn did not come yet."""
        return self._placed.is_waiting

    @property
    def is_started(self) -> bool:
        return self._placed.is_started

    @property
    def patience_seconds(self) -> float:
        """Who waits for its turn has to `look` again after so long."""
        return self._placed.patience_seconds

    def look(self) -> None:
        """Whether its turn came, or will not come any more."""
        self._placed.look()

    def start(self) -> None:
        """Its turn came: on its way to the worker, which may have to be started; not for event loops.

        Raises what keeps it from that, which is in the record then.
        """
        try:
            self._placed.start()
        except BaseException as error:
            if not self.is_over:
                self._error = error
                self._ending.raised(error)
            raise

    def start_at_once(self) -> None:
        """As `start`, for event loops: where it would have to wait for anything, it is not started. What keeps it
        from that for ever is told by `conclude`.
        """
        try:
            self._placed.start_at_once()
        except BaseException as error:
            if not self.is_over:
                self._error = error
            if not isinstance(error, Exception):
                self._ending.raised(error)
                raise

    @property
    def correlation_id(self) -> str:
        return self._ending.correlation_id

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more: `conclude` says how it ended."""
        return self._answer is not None or self._error is not None or self._is_cancelled

    def conclude(self) -> Answered:
        """How it ended is in the record when this returns, or raises what ended it. Any number of times."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Not wanted any more. Nothing changes where it is over already. Raises what the record says."""
        if self._answer is not None:
            self.conclude()
        elif self._error is not None:
            self._ending.raised(self._error)
        else:
            self.let_go()
            self._ending.cancelled()

    def let_go(self) -> None:
        """The part of `cancel` that waits for nothing: worker and place are free. `cancel` tells the record."""
        if self._answer is None and self._error is None:
            self._is_cancelled = True
        self._placed.let_go()

    def _leave_if_over(self) -> None:
        if self.is_over:
            self._placed.let_go()

    def _object_to(self, violation: SandboxViolation) -> None:
        """No honest engine answers so: the process that did is ended."""
        if self._placed.call is not None:
            self._cell.object_to(violation.message, self._placed.call)
