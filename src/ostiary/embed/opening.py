"""The way of a model up to its sealed bytes, and its one ending in the record if loading fails after that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import SealedModel
from ostiary.embed.arguments import BeliefArguments, PathName, read_arguments
from ostiary.embed.failures import convert_failure, convert_unfit
from ostiary.errors import OstiaryError, Refusal
from ostiary.library.believe import choose_believed
from ostiary.networks.unfit import ModelUnfit
from ostiary.record.begin import open_log
from ostiary.record.embed_events import ModelEmbedded
from ostiary.record.events import Emit, Event, ModelFailed, ModelRefused
from ostiary.trust.verify import UnsafeAllowances
from ostiary.walks.model_walk import VerifyRequest
from ostiary.walks.seal_model import Sealed, seal_model


class Opening:
    """A model whose bytes are sealed and that is being loaded."""

    def __init__(self, sealed: Sealed, emit: Emit) -> None:
        self.model: Final[SealedModel] = sealed.model
        self.correlation_id: Final = sealed.correlation_id
        self.root: Final = compute_root(entry.sha256 for entry in sealed.model.verified.files)
        self._emit: Final = emit

    def tell_embedded(self, form: str, tensors: int) -> None:
        self._emit(ModelEmbedded(correlation_id=self.correlation_id, root=self.root, form=form, tensors=tensors))

    def tell_no(self, error: OstiaryError) -> None:
        name = quote_untrusted(self.model.verified.manifest.name)
        error.correlation_id = self.correlation_id
        if isinstance(error, Refusal):
            self._emit(
                ModelRefused(
                    correlation_id=self.correlation_id,
                    name=name,
                    root=self.root,
                    code=error.code,
                    rule=None,
                    path=None,
                )
            )
        else:
            self._emit(ModelFailed(correlation_id=self.correlation_id, name=name, code=error.code))


@contextmanager
def open_verified(path: PathName, arguments: BeliefArguments) -> Iterator[Opening]:
    """Raises the first room's no. What MLX raises meanwhile becomes an error of ours, and is in the record."""
    options = read_arguments(arguments)
    now = datetime.now(UTC)
    with open_log(options.state) as log:
        believed = choose_believed(options.named, path, now, log)
        request = VerifyRequest(
            material=believed.material,
            decide=believed.decide,
            now=now,
            source=str(Path(path).resolve()),
            signatures=options.signatures,
            allowances=UnsafeAllowances(unsigned=True) if options.named.allows_unsigned else None,
            record_location=options.records_location,
            needs_vouching=believed.needs_vouching,
        )
        ending = _Endings(log.emit)
        with seal_model(path, ending.emit, request) as sealed:
            opening = Opening(sealed, ending.emit)
            try:
                yield opening
            except OstiaryError as error:
                _tell_once(ending, opening, error)
                raise
            except ModelUnfit as unfit:
                refused = convert_unfit(unfit)
                _tell_once(ending, opening, refused)
                raise refused from unfit
            except Exception as error:
                failed = convert_failure(error, is_loading=True)
                _tell_once(ending, opening, failed)
                raise failed from error


class _Endings:
    """Sees whether a room told the record already that it said no."""

    def __init__(self, emit: Emit) -> None:
        self._emit: Final = emit
        self.is_over = False

    def emit(self, event: Event) -> None:
        self._emit(event)
        self.is_over = self.is_over or isinstance(event, ModelRefused | ModelFailed)


def _tell_once(ending: _Endings, opening: Opening, error: OstiaryError) -> None:
    if not ending.is_over:
        opening.tell_no(error)
