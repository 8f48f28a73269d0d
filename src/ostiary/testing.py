"""For tests of programs that use Ostiary: small models made on the spot, an engine without MLX, events in a list.

`HostilePublisher` makes one honest language model (one layer, 64 words, about 28 kB; MLX can load it) and copies of
it that would hurt in one way each. Nothing here but what `sign_model` makes is random: the same call makes the
same bytes. `FakeEngine` takes the language engine's place; docs/python.md shows how.
"""

from __future__ import annotations

import json
import pickle
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary.core.thought_styles import ThoughtStyle
from ostiary.record.events import Emit, Event

if TYPE_CHECKING:
    from ostiary.core.json_text import JsonValue
    from ostiary.core.requests import ParsedRequest

_HIDDEN: Final = 32
_INNER: Final = 64
_WORDS: Final = 64
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,:!?"
_SPECIAL: Final = ("<unk>", "<s>", "</s>")
_TEMPLATE: Final = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

CONFIG: Final[Mapping[str, object]] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": _HIDDEN,
    "num_hidden_layers": 1,
    "intermediate_size": _INNER,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-05,
    "vocab_size": _WORDS,
    "rope_theta": 10000.0,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "model.embed_tokens.weight": (_WORDS, _HIDDEN),
    "model.layers.0.input_layernorm.weight": (_HIDDEN,),
    "model.layers.0.mlp.down_proj.weight": (_HIDDEN, _INNER),
    "model.layers.0.mlp.gate_proj.weight": (_INNER, _HIDDEN),
    "model.layers.0.mlp.up_proj.weight": (_INNER, _HIDDEN),
    "model.layers.0.post_attention_layernorm.weight": (_HIDDEN,),
    "model.layers.0.self_attn.k_proj.weight": (_HIDDEN, _HIDDEN),
    "model.layers.0.self_attn.o_proj.weight": (_HIDDEN, _HIDDEN),
    "model.layers.0.self_attn.q_proj.weight": (_HIDDEN, _HIDDEN),
    "model.layers.0.self_attn.v_proj.weight": (_HIDDEN, _HIDDEN),
    "model.norm.weight": (_HIDDEN,),
}


@contextmanager
def capture_events() -> Iterator[tuple[list[Event], Emit]]:
    """A list, and the `emit` that fills it."""
    events: list[Event] = []
    yield events, events.append


FAILURES: Final = (
    "WORKER_CALL_REFUSED",
    "WORKER_CRASHED",
    "WORKER_ENGINE_FAILED",
    "WORKER_MALFORMED_ANSWER",
    "WORKER_OUT_OF_MEMORY",
    "WORKER_SILENT",
    "WORKER_VIOLATION",
)
"""What `FakeEngine` can bring about."""


class FakeEngine:
    """Within its `with`, answers for every model that is opened in this process, without MLX and without weights.

    All else is real: the model is verified, sealed and loaded by a process behind the wall; failures are real, too.
    The outputs of a function are zeros, or an input again where one has the same shape and datatype.
    """

    def __init__(
        self,
        *,
        answers: Sequence[str] = (),
        replies: Mapping[str, str] | None = None,
        token_milliseconds: int = 0,
        failure: str | None = None,
        failure_tokens: int = 0,
        thoughts: str | None = None,
        is_thought_begun: bool = False,
    ) -> None:
        """`replies`: what is asked (of a chat, its last message) to what is answered. `answers`: one after the
        other. Without either, what is asked is said again. A word is a token. `failure`: one of FAILURES, which
        ends each answer after `failure_tokens`. `thoughts`: the manner in which answers to chats think, such as
        `think`; with `is_thought_begun` each begins within a thought.
        """
        if thoughts is not None:
            ThoughtStyle(thoughts)
        if failure is not None and failure not in FAILURES:
            raise ValueError(f"a fake engine can fail with {', '.join(FAILURES)}")
        self.requests: Final[list[ParsedRequest]] = []
        """All that was asked, in order."""
        self._stack: Final = ExitStack()
        self._settings: Final[dict[str, JsonValue]] = {
            "answers": [*answers],
            "replies": None if replies is None else {**replies},
            "token_milliseconds": token_milliseconds,
            "failure": failure,
            "failure_tokens": failure_tokens,
            "thoughts": thoughts,
            "is_thought_begun": is_thought_begun,
        }

    def __enter__(self) -> Self:
        from ostiary.library.engines import EngineChoice, use_instead  # noqa: PLC0415  models alone need no engine

        self._stack.enter_context(use_instead(EngineChoice("fake", self._settings, self.requests.append)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def sign_model(model: Path, *, model_id: str | None = None, model_version: str | None = None) -> Path:
    """Sign a model directory with a key made for it. Returns the public key's file, which lies beside the model."""
    from ostiary.intake import read_manifest  # noqa: PLC0415
    from ostiary.trust.annotations import ModelClaims  # noqa: PLC0415
    from ostiary.trust.private_key import create_private_key  # noqa: PLC0415
    from ostiary.trust.sign import sign_manifest  # noqa: PLC0415
    from ostiary.trust.signers import FileHolder  # noqa: PLC0415

    holder = FileHolder(create_private_key("P-256"))
    now = datetime.now(UTC).replace(microsecond=0)
    claims = ModelClaims(model_id=model_id, model_version=model_version, signed_at=now)
    (model / "model.sig").write_bytes(sign_manifest(read_manifest(model), holder, claims))
    public = model.with_name(f"{model.name}.pub")
    public.write_bytes(holder.public_key.pem)
    return public


@dataclass(frozen=True)
class HostilePublisher:
    """Publishes models below `directory`, each under the name of what is wrong with it."""

    directory: Path
    honest_name: str = "honest"
    attacks: Mapping[str, Callable[[Path], None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        attacks = {
            "python-file": _add_python_file,
            "renamed-pickle": _add_renamed_pickle,
            "custom-model-file": _name_model_file,
            "reaching-template": _reach_by_template,
            "endless-template": _loop_by_template,
            "overlapping-tensors": _overlap_tensors,
            "wrapping-shape": _wrap_shape,
            "word-past-embedding": _put_word_past_embedding,
            "link-out": _link_out,
        }
        object.__setattr__(self, "attacks", attacks)

    def publish_honest(self) -> Path:
        """The honest model."""
        return self._publish(self.honest_name)

    def publish(self, attack: str) -> Path:
        """The honest model with one of `attacks` done to it."""
        model = self._publish(attack)
        self.attacks[attack](model)
        return model

    def _publish(self, name: str) -> Path:
        model = self.directory / name
        model.mkdir(parents=True)
        for path, data in honest_files().items():
            (model / path).write_bytes(data)
        return model


def honest_files() -> dict[str, bytes]:
    """File name to bytes of the honest model."""
    vocabulary = {word: index for index, word in enumerate([*_SPECIAL, *_LETTERS])}
    added = [
        {
            "id": index,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, word in enumerate(_SPECIAL)
    ]
    tokenizer: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }
    return {
        "config.json": _json(CONFIG),
        "model.safetensors": safetensors_file(_weights()),
        "tokenizer.json": _json(tokenizer),
        "tokenizer_config.json": _json(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "model_max_length": 128,
                "chat_template": _TEMPLATE,
            }
        ),
    }


def safetensors_file(tensors: Mapping[str, tuple[tuple[int, ...], bytes]], dtype: str = "F16") -> bytes:
    """A well-formed safetensors file: name to shape and bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "mlx"}}
    offset = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data section begins aligned
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values())


def _weights() -> dict[str, tuple[tuple[int, ...], bytes]]:
    dice = random.Random(7)  # noqa: S311  weights of a toy, not a secret
    weights = {}
    for name, shape in SHAPES.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0] * count if len(shape) == 1 else [dice.gauss(0, 0.2) for _ in range(count)]
        weights[name] = (shape, struct.pack(f"<{count}e", *values))
    return weights


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _change_json(path: Path, **changes: object) -> None:
    value = json.loads(path.read_bytes())
    value.update(changes)
    path.write_bytes(_json(value))


def _add_python_file(model: Path) -> None:
    (model / "modeling_custom.py").write_text("print('this ran')\n", encoding="utf-8")


class _Call:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("this ran",)


def _add_renamed_pickle(model: Path) -> None:
    (model / "model-extra.safetensors").write_bytes(pickle.dumps(_Call()))


def _name_model_file(model: Path) -> None:
    _change_json(model / "config.json", model_file="modeling_custom.py")


def _reach_by_template(model: Path) -> None:
    template = "{{ cycler.__init__.__globals__.os.getpid() }}"
    _change_json(model / "tokenizer_config.json", chat_template=template)


def _loop_by_template(model: Path) -> None:
    template = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    _change_json(model / "tokenizer_config.json", chat_template=template)


def _overlap_tensors(model: Path) -> None:
    _change_header(
        model, "model.norm.weight", {"dtype": "F16", "shape": [_HIDDEN], "data_offsets": [0, 2 * _HIDDEN]}
    )


def _wrap_shape(model: Path) -> None:
    shape = [1 << 32, 1 << 32]  # 2**64 elements: the byte count wraps to 0
    _change_header(model, "model.norm.weight", {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]})


def _change_header(model: Path, tensor: str, entry: object) -> None:
    path = model / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header[tensor] = entry
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _put_word_past_embedding(model: Path) -> None:
    path = model / "tokenizer.json"
    value = json.loads(path.read_bytes())
    value["model"]["vocab"]["Z"] = 1 << 24
    path.write_bytes(_json(value))


def _link_out(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("../../weights-of-somebody.safetensors")
