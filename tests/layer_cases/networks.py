"""Recurrent layers, attention, transformers, quantized layers and containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from layer_cases.base import Case, Given, case

_MODES: Final = {"affine": (64, 4), "mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}


def _causal(nn: Any, length: int, dtype: Any) -> Any:
    return nn.MultiHeadAttention.create_additive_causal_mask(length, dtype)


def _encode(nn: Any, **options: Any) -> Callable[[Any], Any]:
    model = nn.TransformerEncoder(2, 8, 2, mlp_dims=12, **options)
    return lambda x: model(x, _causal(nn, x.shape[1], x.dtype))


def _decode(nn: Any) -> Callable[[Any, Any], Any]:
    model = nn.TransformerDecoder(2, 8, 2, mlp_dims=12)
    return lambda x, memory: model(x, memory, _causal(nn, x.shape[1], x.dtype), None)


def _translate(nn: Any) -> Callable[[Any, Any], Any]:
    model = nn.Transformer(8, 2, 1, 1, mlp_dims=12)
    return lambda source, target: model(source, target, None, _causal(nn, target.shape[1], target.dtype), None)


def _attend(nn: Any, **options: Any) -> Callable[[Any], Any]:
    model = nn.MultiHeadAttention(8, 2, **options)
    return lambda x: model(x, x, x, _causal(nn, x.shape[1], x.dtype))


def _encode_one(nn: Any, *, norm_first: bool) -> Callable[[Any], Any]:
    layer = nn.TransformerEncoderLayer(8, 2, mlp_dims=12, dropout=0.2, norm_first=norm_first)
    return lambda x: layer(x, None)


def _decode_one(nn: Any) -> Callable[[Any, Any], Any]:
    layer = nn.TransformerDecoderLayer(8, 2, mlp_dims=12)
    return lambda x, memory: layer(x, memory, None, None)


def _recur(nn: Any, name: str, **options: Any) -> Callable[[Any], Any]:
    return getattr(nn, name)(5, 6, **options)  # type: ignore[no-any-return]


def _list_quantized() -> Iterator[Case]:
    for mode, (group, bits) in _MODES.items():
        yield case(
            "QuantizedLinear",
            lambda _mx, nn, group=group, bits=bits, mode=mode: nn.QuantizedLinear.from_linear(
                nn.Linear(64, 32), group, bits, mode=mode
            ),
            (3, 64),
            variant=mode,
            is_wide_only=True,
        )
        yield case(
            "QuantizedEmbedding",
            lambda _mx, nn, group=group, bits=bits, mode=mode: nn.QuantizedEmbedding.from_embedding(
                nn.Embedding(7, 64), group, bits, mode=mode
            ),
            Given((3, 5), 7),
            variant=mode,
            is_wide_only=True,
        )
    for bits in (2, 3, 5, 6, 8):
        yield case(
            "QuantizedLinear",
            lambda _mx, nn, bits=bits: nn.QuantizedLinear(64, 32, bias=False, group_size=32, bits=bits),
            (3, 64),
            variant=f"{bits}-bits",
            is_wide_only=True,
        )
    yield case(
        "QuantizedEmbedding",
        lambda _mx, nn: nn.QuantizedEmbedding(7, 64).as_linear,
        (3, 64),
        variant="as-linear",
        is_wide_only=True,
    )


_LONG: Final = {"x": ["batch", "length"]}

NETWORKS: Final = (
    case("RNN", lambda _mx, nn: _recur(nn, "RNN"), (2, 4, 5)),
    case("RNN", lambda mx, nn: _recur(nn, "RNN", bias=False, nonlinearity=mx.sin), (2, 4, 5), variant="sine"),
    case("GRU", lambda _mx, nn: _recur(nn, "GRU"), (2, 4, 5)),
    case("LSTM", lambda _mx, nn: _recur(nn, "LSTM"), (2, 4, 5)),
    case("LSTM", lambda _mx, nn: _recur(nn, "LSTM", bias=False), (2, 4, 5), variant="no-bias"),
    case("MultiHeadAttention", lambda _mx, nn: nn.MultiHeadAttention(8, 2), (2, 5, 8), (2, 4, 8), (2, 4, 8)),
    case("MultiHeadAttention", lambda _mx, nn: _attend(nn, bias=True), (2, 5, 8), variant="causal", dims=_LONG),
    case("TransformerEncoderLayer", lambda _mx, nn: _encode_one(nn, norm_first=True), (2, 5, 8), dims=_LONG),
    case("TransformerEncoderLayer", lambda _mx, nn: _encode_one(nn, norm_first=False), (2, 5, 8), variant="last"),
    case("TransformerEncoder", lambda _mx, nn: _encode(nn), (2, 5, 8), dims=_LONG),
    case("TransformerEncoder", lambda _mx, nn: _encode(nn, norm_first=False), (2, 5, 8), variant="last"),
    case("TransformerDecoderLayer", lambda _mx, nn: _decode_one(nn), (2, 5, 8), (2, 4, 8)),
    case(
        "TransformerDecoder",
        lambda _mx, nn: _decode(nn),
        (2, 5, 8),
        (2, 4, 8),
        dims={"x": ["batch", "length"], "memory": ["batch", "before"]},
    ),
    case("Transformer", lambda _mx, nn: _translate(nn), (2, 5, 8), (2, 4, 8)),
    case("Sequential", lambda _mx, nn: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.tanh, nn.Linear(4, 3)), (3, 5)),
    *_list_quantized(),
)
