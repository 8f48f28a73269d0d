"""Layers with parameters, norms, pooling, positions and what changes sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from layer_cases.base import Case, Given, case

_SPACES: Final[dict[int, tuple[int, ...]]] = {1: (9,), 2: (9, 7), 3: (5, 6, 7)}


def _norm(layer: str, shape: tuple[int, ...], variant: str, *sizes: Any, **options: Any) -> Case:
    return case(layer, lambda _mx, nn: getattr(nn, layer)(*sizes, **options), shape, variant=variant)


def _list_convolutions() -> Iterator[Case]:
    for axes, space in _SPACES.items():
        for kind in ("Conv", "ConvTranspose"):
            yield from _list_convolutions_of(f"{kind}{axes}d", (2, *space, 4), axes)


def _list_convolutions_of(layer: str, shape: tuple[int, ...], axes: int) -> Iterator[Case]:
    yield case(layer, lambda _mx, nn: getattr(nn, layer)(4, 6, 3), shape)
    yield case(layer, lambda _mx, nn: getattr(nn, layer)(4, 6, 3, stride=2, padding=1), shape, variant="strided")
    yield case(layer, lambda _mx, nn: getattr(nn, layer)(4, 6, 2, dilation=2, bias=False), shape, variant="dilated")
    if layer in {"Conv1d", "Conv2d"}:
        yield case(layer, lambda _mx, nn: getattr(nn, layer)(4, 6, 3, groups=2), shape, variant="groups")
        names = ("height", "width")[:axes]
        yield case(
            layer,
            lambda _mx, nn: getattr(nn, layer)(4, 6, 3, stride=2, padding=1),
            shape,
            variant="any-size",
            dims={"x": ["batch", *names]},
        )


def _list_pools() -> Iterator[Case]:
    for axes, space in _SPACES.items():
        for kind in ("MaxPool", "AvgPool"):
            layer = f"{kind}{axes}d"
            yield _norm(layer, (2, *(size // 2 * 2 for size in space), 3), "", 2)
            yield _norm(layer, (2, *space, 3), "overlapping", 3, stride=2, padding=1)


def _list_upsamples() -> Iterator[Case]:
    for mode in ("nearest", "linear", "cubic"):
        for scale in (2, 1.7):
            yield _norm("Upsample", (2, 5, 4, 3), f"{mode}-{scale}", scale, mode=mode)
        yield _norm("Upsample", (2, 5, 4, 3), f"{mode}-corners", 2, mode=mode, align_corners=True)
    yield _norm("Upsample", (2, 5, 3), "one-axis", 3, mode="linear")


LAYERS: Final = (
    _norm("Linear", (3, 5), "", 5, 4),
    _norm("Linear", (3, 5), "no-bias", 5, 4, bias=False),
    _norm("Linear", (2, 3, 5), "more-axes", 5, 4),
    case("Bilinear", lambda _mx, nn: nn.Bilinear(5, 4, 3), (3, 5), (3, 4)),
    case("Bilinear", lambda _mx, nn: nn.Bilinear(5, 4, 3, bias=False), (3, 5), (3, 4), variant="no-bias"),
    case("Embedding", lambda _mx, nn: nn.Embedding(7, 4), Given((3, 5), 7)),
    case("Embedding", lambda _mx, nn: nn.Embedding(7, 4).as_linear, (3, 4), variant="as-linear"),
    case(
        "Embedding",
        lambda _mx, nn: nn.Embedding(7, 4),
        Given((3, 5), 7),
        variant="any-length",
        dims={"x": ["batch", "length"]},
    ),
    *_list_convolutions(),
    *_list_pools(),
    *_list_upsamples(),
    _norm("BatchNorm", (3, 6), "", 6),
    _norm("BatchNorm", (3, 5, 4, 6), "four-axes", 6),
    _norm("BatchNorm", (3, 5, 6), "plain", 6, affine=False),
    _norm("GroupNorm", (3, 5, 6), "", 2, 6),
    _norm("GroupNorm", (3, 5, 6), "compatible", 2, 6, pytorch_compatible=True),
    _norm("GroupNorm", (3, 5, 6), "plain", 3, 6, affine=False),
    _norm("InstanceNorm", (3, 5, 6), "", 6),
    _norm("InstanceNorm", (3, 5, 4, 6), "affine", 6, affine=True),
    _norm("LayerNorm", (3, 5, 6), "", 6),
    _norm("LayerNorm", (3, 6), "plain", 6, affine=False),
    _norm("LayerNorm", (3, 6), "no-bias", 6, bias=False),
    _norm("RMSNorm", (3, 5, 6), "", 6),
    _norm("Dropout", (3, 6), "", 0.5),
    _norm("Dropout2d", (2, 4, 5, 3), "", 0.5),
    _norm("Dropout3d", (2, 4, 5, 3, 2), "", 0.5),
    _norm("RoPE", (2, 4, 5, 8), "", 8),
    _norm("RoPE", (2, 4, 5, 8), "traditional", 4, traditional=True, base=500, scale=0.5),
    case("RoPE", lambda _mx, nn: lambda x: nn.RoPE(8)(x, offset=3), (2, 4, 5, 8), variant="offset"),
    _norm("SinusoidalPositionalEncoding", (2, 5), "", 8),
    _norm("SinusoidalPositionalEncoding", (2, 5), "cosine-first", 6, cos_first=True, full_turns=True),
    _norm("ALiBi", (2, 4, 5, 5), ""),
    case(
        "ALiBi",
        lambda _mx, nn: nn.ALiBi(),
        (2, 3, 5, 5),
        variant="any-length",
        dims={"attention_scores": ["batch", None, "length", "length"]},
    ),
)
