"""What is closed at the end of a `with`. An error that is on its way out is not hidden by one of the closing."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """For `with`."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise
