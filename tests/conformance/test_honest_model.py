"""What `ostiary.testing` publishes as honest is a model that MLX-LM loads and runs, on this very machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ostiary.testing import HostilePublisher

pytest.importorskip("mlx_lm")
pytestmark = pytest.mark.mlx

PROGRAM = """
import sys
import mlx.core as mx
mx.disable_compile()
from mlx_lm import load, generate
model, tokenizer = load(sys.argv[1])
prompt = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], add_generation_prompt=True)
print(len(generate(model, tokenizer, prompt, max_tokens=4)))
"""


def test_mlx_lm_loads_and_runs_the_honest_model(tmp_path: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 0
