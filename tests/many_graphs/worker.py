"""Run by a fork server: the function engine, but each call brings its own function. See cell.WorkerProgram.script."""

from __future__ import annotations

import io
from collections.abc import Sequence

from ostiary.core.frames import JsonObject, ReplyKind
from ostiary.worker.begin import begin
from ostiary.worker.engines.contract import Call, CallUnfit, Engine, EngineLimits, MakeEngine, ModelUnfit, Reply


def prepare_engine(_settings: JsonObject) -> MakeEngine:
    import mlx.core as mx

    from ostiary.interpreter.function import load_tensors
    from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic
    from ostiary.worker.engines.function.engine import FunctionEngine
    from ostiary.worker.engines.function.settings import Settings

    mx.disable_compile()

    class ManyGraphs(FunctionEngine):
        name = "many"

        def finish_load(self) -> JsonObject:
            return {}

        def read_contents(self, _contents: object) -> None:
            pass

        def submit(self, call: Call) -> None:
            self._calls = [*getattr(self, "_calls", []), call]

        @property
        def has_work(self) -> bool:
            return bool(getattr(self, "_calls", []))

        def step(self) -> Sequence[Reply]:
            call = self._calls.pop(0)
            return [Reply(call.id, ReplyKind.RESULT, self._run(call))]

        def _run(self, call: Call) -> JsonObject:
            cuts, start = [], 0
            for size in call.body["sizes"]:
                cuts.append(bytes(call.tail[start : start + size]))
                start += size
            graph, contract, weights = cuts
            engine = FunctionEngine(Settings(work=1 << 34), self._limits, Arithmetic(), 1)
            try:
                FunctionEngine.read_contents(engine, {"graph.json": graph, "contract.json": contract})
                engine._tensors = load_tensors(io.BytesIO(weights)) if weights else {}
                FunctionEngine.finish_load(engine)
            except ModelUnfit as error:
                return {"end": "unreadable", "told": str(error)}
            before = mx.get_active_memory()
            mx.reset_peak_memory()
            try:
                engine.submit(Call(call.id, "infer", call.body["call"], call.tail[start:]))
            except CallUnfit as error:
                return {"end": "refused", "told": str(error)}
            (reply,) = engine.step()
            if reply.kind is ReplyKind.ERROR:
                return {
                    "end": "refused" if "REFUSED" in reply.body["code"] else "failed",
                    "told": reply.body["sentence"],
                }
            (plan,) = engine._runs._function._plans.values()
            inputs = sum(len(part) for part in cuts) + len(call.tail[start:])
            return {
                "end": "answered",
                "measured": mx.get_peak_memory() - before,
                "estimated": plan.schedule.peak_bytes + inputs + 2 * plan.output_bytes,
            }

    def make(limits: EngineLimits) -> Engine:
        return ManyGraphs(Settings(), limits, Arithmetic(), 1)

    return make


if "command" in globals():
    begin(globals()["command"], {"many": prepare_engine})
