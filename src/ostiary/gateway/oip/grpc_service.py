"""The Open Inference Protocol over gRPC: the same models, keys, bounds and errors as over HTTP.

Each call is taken as a stream of one message, which is the same on the wire: so who asks is judged before a byte of
the message is received.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc  # type: ignore[import-untyped]

from ostiary.core.callers import NOBODY, Caller
from ostiary.core.tensors import ParsedTensors
from ostiary.errors import GATEWAY_DRAINING, GATEWAY_TOO_SLOW, GatewayRefused
from ostiary.gateway.asked import Asked
from ostiary.gateway.choose_model import choose_function
from ostiary.gateway.errors import render_error_status
from ostiary.gateway.health import could_answer, is_live, is_ready
from ostiary.gateway.long_work import SHORT_BYTES
from ostiary.gateway.oip.grpc_peer import find_peer
from ostiary.gateway.oip.messages import (
    NamedModel,
    parse_infer_message,
    parse_named_model,
    parse_nothing,
    read_infer_message,
    write_flag,
    write_infer_message,
    write_model,
    write_server,
)
from ostiary.gateway.oip.metadata import SERVER, describe_model, judge_version, name_version
from ostiary.gateway.oip.wire import malformed
from ostiary.gateway.places import Places
from ostiary.gateway.request_ids import RequestIds, read_request_ids
from ostiary.gateway.route import Dialect
from ostiary.gateway.served import Holding
from ostiary.gateway.turns import Turns

if TYPE_CHECKING:
    from ostiary.gateway.app import Door
    from ostiary.gateway.reply import Headers
    from ostiary.gateway.served import ServedModel

SERVICE: Final = "inference.GRPCInferenceService"
_CODES: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}
_Answer: TypeAlias = Callable[[Asked, bytes], Awaitable[bytes]]


class InferenceService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Of one event loop."""

    def __init__(self, door: Door, body_time: float, *, coming: int, receiving: int) -> None:
        """`coming`: so many calls there may be whose message is not there yet; `receiving`: so many messages are
        received at once, and others wait for their turn.
        """
        self._door: Final = door
        self._body_time: Final = body_time
        self._coming: Final = Places(coming)
        self._turns: Final = Turns(receiving)
        self._handlers: Final = {
            f"/{SERVICE}/{name}": grpc.stream_unary_rpc_method_handler(self._make_handler(answer, is_open=is_open))
            for name, answer, is_open in (
                ("ServerLive", _tell_live, True),
                ("ServerReady", self._tell_ready, True),
                ("ServerMetadata", _tell_server, False),
                ("ModelReady", _tell_model_ready, False),
                ("ModelMetadata", _tell_model, False),
                ("ModelInfer", _infer, False),
            )
        }

    def service(self, handler_call_details: Any) -> Any:
        """None where there is no such method: UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _make_handler(self, answer: _Answer, *, is_open: bool) -> Callable[..., Awaitable[bytes]]:
        async def handle(messages: AsyncIterator[bytes], context: Any) -> bytes:
            self._door.requests += 1
            headers = _read_metadata(context.invocation_metadata())
            ids = read_request_ids(headers)
            context.set_trailing_metadata(ids.headers())
            caller = NOBODY
            try:
                if not is_open:  # of whoever shows no key, nothing is received
                    caller = self._door.admit(headers, find_peer(context))
                with Holding(self._door.models, caller.tenant) as holding:
                    if is_open:
                        return await answer(self._make_asked(ids, headers, NOBODY, holding), b"")
                    asked = self._make_asked(ids, headers, caller, holding)
                    with (
                        self._door.count(caller, Dialect.INFERENCE)
                        if answer in (_infer, _tell_model)
                        else nullcontext()
                    ):
                        answered = await self._answer(answer, asked, messages)
                    context.set_trailing_metadata((*ids.headers(), *self._tell_limits(caller)))
                    return answered
            except asyncio.CancelledError:
                if not self._door.is_draining:
                    raise
                error: BaseException = GatewayRefused(GATEWAY_DRAINING, "the server was stopped meanwhile")
            except BaseException as raised:
                error = raised
                self._door.note(raised)
                if not isinstance(raised, Exception):
                    raise
            told = render_error_status(error, ids.correlation_id)
            await context.abort(
                _CODES[told.status], told.message, (*ids.headers(), *self._tell_limits(caller), *told.metadata)
            )
            raise error  # not reached: abort raises

        return handle

    def _tell_limits(self, caller: Caller) -> Headers:
        return () if caller is NOBODY else self._door.tell_limits(caller, Dialect.INFERENCE)

    async def _answer(self, answer: _Answer, asked: Asked, messages: AsyncIterator[bytes]) -> bytes:
        with self._door.hold_body(asked.caller) as held:
            try:
                with self._coming.take(asked.caller.tenant):
                    async with asyncio.timeout(self._body_time), self._turns.take(asked.caller.tenant):
                        message = await _take_only(messages)
            except TimeoutError as error:
                raise GatewayRefused(GATEWAY_TOO_SLOW, "the message did not arrive in time") from error
            held.grow(len(message))
            with self._door.hold_place(asked.caller):
                return await answer(asked, message)

    def _make_asked(self, ids: RequestIds, headers: Mapping[str, str], caller: Caller, holding: Holding) -> Asked:
        return Asked(
            correlation_id=ids.correlation_id,
            request_id=ids.request_id,
            caller=caller,
            method="POST",
            path={},
            query={},
            headers=headers,
            models=self._door.models,
            holding=holding,
            quotas=self._door.quotas,
            long_work=self._door.long_work,
        )

    async def _tell_ready(self, asked: Asked, _message: bytes) -> bytes:
        return write_flag(not self._door.is_draining and is_ready(asked.models))


async def _infer(asked: Asked, data: bytes) -> bytes:
    is_short = len(data) <= SHORT_BYTES
    message = parse_infer_message(data) if is_short else await asked.work_long(partial(parse_infer_message, data))
    model, contract = await choose_function(asked, message.model.name)
    if message.model.version:
        judge_version(model, message.model.version)
    if is_short:
        request = read_infer_message(message, contract)
    else:
        request = await asked.work_long(partial(read_infer_message, message, contract))
    del data, message
    answer = await asked.ask_function(model, ParsedTensors(request.inputs))
    return write_infer_message(model.name, name_version(model), request, answer.outputs)


async def _tell_live(asked: Asked, _message: bytes) -> bytes:
    return write_flag(is_live(asked.models))


async def _tell_server(_asked: Asked, message: bytes) -> bytes:
    parse_nothing(message)
    return write_server(SERVER)


async def _tell_model(asked: Asked, message: bytes) -> bytes:
    named = parse_named_model(message)
    model, contract = await choose_function(asked, named.name)
    _judge_version(model, named)
    return write_model(describe_model(model, contract))


async def _tell_model_ready(asked: Asked, message: bytes) -> bytes:
    named = parse_named_model(message)
    model = asked.models.find(named.name, asked.caller)
    if model.current is not None:
        _judge_version(model.current, named)
    return write_flag(could_answer(model))


def _judge_version(model: ServedModel, named: NamedModel) -> None:
    if named.version:
        judge_version(model, named.version)


async def _take_only(messages: AsyncIterator[bytes]) -> bytes:
    """The one message that there is."""
    found: bytes | None = None
    async for message in messages:
        if found is not None:
            raise malformed("there is more than one message")
        found = message
    if found is None:
        raise malformed("there is no message")
    return found


def _read_metadata(metadata: Any) -> Mapping[str, str]:
    """By name; of those that come more than once, all in one, as with headers."""
    headers: dict[str, str] = {}
    for name, value in metadata or ():
        if isinstance(value, str):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
