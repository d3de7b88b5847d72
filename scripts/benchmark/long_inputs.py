"""Measures how long inputs of real models take and how much memory: python -m scripts.benchmark.long_inputs.

The checkpoints have the shapes of real ones and random weights. Each length runs in a process of its own, which loads
the artifact, scores one pair and says how much memory it has ever held.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from engine import Engine

from . import machine

CACHE = Path(".bench")
LENGTHS = [512, 2048, 8192]
_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
_XLM_R = {"vocab_size": 250_002, "max_position_embeddings": 8194, "initializer_range": 0.02}
_MODERNBERT = {
    "vocab_size": 50_368,
    "max_position_embeddings": 8192,
    "local_attention": 128,
    "global_attn_every_n_layers": 3,
    "initializer_range": 0.02,
}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "xlm-roberta-base": ("xlm-roberta", _XLM_R | _BASE),
    "modernbert-base": ("modernbert", _MODERNBERT | _BASE | {"num_hidden_layers": 22, "intermediate_size": 1152}),
    "xlm-roberta-large": ("xlm-roberta", _XLM_R | _LARGE),
    "modernbert-large": ("modernbert", _MODERNBERT | _LARGE | {"num_hidden_layers": 28, "intermediate_size": 2624}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("models", nargs="*", default=["xlm-roberta-base", "modernbert-base"], help=", ".join(SHAPES))
    parser.add_argument("--score", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.score:
        artifact, tokens = options.score
        print(json.dumps(score(Path(artifact), int(tokens))))
        return
    table = Table("model", "tokens", "seconds", "peak resident MB", box=box.MARKDOWN)
    for name in options.models:
        artifact = prepare(name)
        for tokens in LENGTHS:
            seconds, peak = score_in_a_fresh_process(artifact, tokens)
            table.add_row(name, str(tokens), f"{seconds:.2f}", f"{peak:.0f}")
    Console(width=120).print(table)


def prepare(name: str) -> Path:
    """The artifact of that shape, made once and kept in `.bench`."""
    # Not at the top: the processes that are measured must not load PyTorch.
    from checkpoints import tiny
    from export.__main__ import main as export

    family, config = SHAPES[name]
    artifact = CACHE / "artifacts" / name
    if not artifact.exists():
        tiny.build(family, CACHE / name, **config)
        if export([str(CACHE / name), "--output", str(artifact.parent)]) != 0:
            raise SystemExit(f"{name} could not be exported.")
    return artifact


def score_in_a_fresh_process(artifact: Path, tokens: int) -> tuple[float, float]:
    """Seconds and peak resident MB of loading the artifact and scoring one pair of that many tokens."""
    command = [sys.executable, "-m", "scripts.benchmark.long_inputs", "--score", str(artifact), str(tokens)]
    seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds, peak


def score(artifact: Path, tokens: int) -> tuple[float, float]:
    engine = Engine.load(artifact)
    start = time.perf_counter()
    engine.score("a question", ["of many words " * tokens], truncate_prompt_tokens=tokens)
    return time.perf_counter() - start, machine.memory(os.getpid(), "VmHWM")


if __name__ == "__main__":
    main()
