"""What happens once, before any wall and any model: imports, and the first use of what then opens files."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final

from ostiary.worker.engines.contract import Engine, EngineLimits, JsonObject, MakeEngine
from ostiary.worker.engines.language.settings import parse_settings

_PROBE_TOKENIZER: Final = (
    '{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{"type":"NFC"},'
    '"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},'
    '"post_processor":null,"decoder":null,'
    '"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,'
    '"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,'
    '"vocab":{"a":0},"merges":[]}}'
)


def prepare(values: JsonObject) -> MakeEngine:
    """Raises ImportError and ValueError."""
    settings = parse_settings(values)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # it would start threads
    import mlx.core as mx  # noqa: PLC0415  late, so that settings are judged first

    mx.disable_compile()  # it would run a compiler and load what that wrote
    from ostiary.worker.engines.fast_cpu.speed import Speed  # noqa: PLC0415
    from ostiary.worker.engines.language.library import import_network, open_library  # noqa: PLC0415

    speed = Speed(settings.speed)
    open_library()
    networks: Mapping[str, Any] = {module: import_network(module) for module in settings.modules}
    from ostiary.worker.engines.language.engine import LanguageEngine  # noqa: PLC0415

    _use_once()

    def make(limits: EngineLimits) -> Engine:
        return LanguageEngine(networks, settings, limits, speed)

    return make


def _use_once() -> None:
    """Time zone, codecs, tokenizer, template engine and what holds answers look things up when first used."""
    from tokenizers import Tokenizer  # noqa: PLC0415

    from ostiary.worker.engines.language.constraint import use_once  # noqa: PLC0415
    from ostiary.worker.engines.language.template_sandbox import ChatEnvironment  # noqa: PLC0415

    use_once()
    time.localtime()
    Tokenizer.from_str(_PROBE_TOKENIZER).encode_batch_fast(["a"])
    source = "{% for m in messages %}{{ m.content | trim | tojson }}{{ strftime_now('%Y') }}{% endfor %}"
    ChatEnvironment().from_string(source).render(messages=[{"content": "a"}])
