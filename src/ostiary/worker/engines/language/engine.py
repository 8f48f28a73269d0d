"""The language engine: takes a model's files, then calls, and works on all of them step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import mlx.core as mx

from ostiary.core.frames import ErrorName, JsonObject
from ostiary.networks.adapters import WEIGHTS_NAME, Adapter, apply_adapter, read_adapter
from ostiary.networks.configuration import Configuration, read_configuration
from ostiary.networks.failures import explain_failure
from ostiary.networks.templates import read_templates
from ostiary.networks.weights import build_network, choose_weights, is_wanted, read_tensors
from ostiary.worker.engines.contract import Call, CallUnfit, EngineLimits, EngineUsage, ModelUnfit, Reply
from ostiary.worker.engines.fast_cpu.speed import Speed
from ostiary.worker.engines.language.chat_template import ChatTemplates
from ostiary.worker.engines.language.network import look_at
from ostiary.worker.engines.language.service import Service
from ostiary.worker.engines.language.settings import Settings
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer, open_tokenizer, read_token_settings

_LEAST_THREADS: Final = 6
"""One that works, four with which MLX reads files, one on which it computes. With fewer it hangs, or aborts."""


class LanguageEngine:
    """One model. Made before the wall goes up; see the engine contract for what is called when."""

    name = "language"

    def __init__(self, networks: Mapping[str, Any], settings: Settings, limits: EngineLimits, speed: Speed) -> None:
        """`networks`: MLX-LM's modules that were imported, by name."""
        self._networks: Final = networks
        self._settings: Final = settings
        self._limits: Final = limits
        self._speed: Final = speed
        self._configuration: Configuration | None = None
        self._adapter: Adapter | None = None
        self._tokenizer: TextTokenizer | None = None
        self._templates: ChatTemplates | None = None
        self._listed: frozenset[str] | None = None
        self._tensors: dict[str, mx.array] = {}
        self._adapter_tensors: dict[str, mx.array] = {}
        self._service: Service | None = None

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        if self._limits.threads < _LEAST_THREADS:
            raise ModelUnfit(ErrorName.LOAD_FAILED, f"the engine needs {_LEAST_THREADS} threads; it may have fewer")
        configuration = read_configuration(contents)
        if configuration.architecture.module not in self._networks:
            raise ModelUnfit(ErrorName.ARCHITECTURE_NOT_ALLOWED, "its architecture was not prepared")
        named = read_token_settings(contents).named
        self._configuration = configuration
        self._templates = ChatTemplates(read_templates(contents), named)
        template_text = "\0".join(self._templates.literals)
        self._tokenizer = open_tokenizer(contents, template_text, configuration.eos_ids)
        self._listed = choose_weights(contents)
        if self._settings.adapter is not None:
            self._adapter = read_adapter(contents, self._settings.adapter)

    def read_weights(self, path: str, descriptor: int, size: int) -> None:  # noqa: ARG002  the contract's form
        if self._adapter is not None and path == f"{self._settings.adapter}/{WEIGHTS_NAME}":
            self._adapter_tensors = _read(descriptor)
        elif is_wanted(path, self._listed):
            tensors = _read(descriptor)
            if not self._tensors.keys().isdisjoint(tensors):
                raise ModelUnfit(ErrorName.LOAD_FAILED, "a tensor stands in two weights files")
            self._tensors |= tensors

    def finish_load(self) -> JsonObject:
        if self._configuration is None or self._tokenizer is None or self._templates is None:
            raise ModelUnfit(ErrorName.LOAD_FAILED, "no configuration was sent")
        if not self._tensors:
            raise ModelUnfit(ErrorName.LOAD_FAILED, "no weights were sent")
        module = self._networks[self._configuration.architecture.module]
        try:
            model = build_network(self._configuration, module, self._tensors)
            if self._adapter is not None:
                apply_adapter(model, self._adapter, self._adapter_tensors)
                self._adapter_tensors = {}
            pace = self._speed.speed_up(model, self._limits)
            limits = replace(self._limits, memory_bytes=self._limits.memory_bytes - pace.reserved_bytes)
            network = look_at(model, self._configuration, self._settings, limits)
        except ModelUnfit:
            raise
        except Exception as error:
            raise _not_loaded(error) from error
        mx.clear_cache()
        self._service = Service(
            network=network,
            configuration=self._configuration,
            tokenizer=self._tokenizer,
            templates=self._templates,
            settings=self._settings,
            limits=self._limits,
            pace=pace,
        )
        return self._service.describe()

    def submit(self, call: Call) -> None:
        self._serving.submit(call)

    def cancel(self, call_id: int) -> None:
        self._serving.cancel(call_id)

    def step(self) -> Sequence[Reply]:
        return self._serving.step()

    @property
    def has_work(self) -> bool:
        return self._service is not None and self._service.has_work

    def read_usage(self) -> EngineUsage:
        tokens = 0 if self._service is None else self._service.tokens
        return EngineUsage(tokens, None if mx.default_device() == mx.cpu else mx.get_active_memory())

    @property
    def _serving(self) -> Service:
        if self._service is None:
            raise CallUnfit("the model is not loaded")
        return self._service


def _read(descriptor: int) -> dict[str, mx.array]:
    try:
        return read_tensors(descriptor)
    except ModelUnfit:
        raise
    except Exception as error:
        raise _not_loaded(error) from error


def _not_loaded(error: Exception) -> ModelUnfit:
    failure = explain_failure(error)
    name = failure.name if failure.name is ErrorName.OUT_OF_MEMORY else ErrorName.LOAD_FAILED
    return ModelUnfit(name, failure.sentence)
