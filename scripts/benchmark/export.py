"""Exports a checkpoint, and prints the peak of memory in each stage beside the weights' size in float32.

    python -m scripts.benchmark.export checkpoints/my-reranker --precision fp32,int8

Arguments are the exporter's. Without any a reranker of Qwen3-0.6B's shape is made, with random weights in bfloat16.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig

from checkpoints.rerankers import qwen_tokenizer

_GIB = 1 << 30
# Seconds between two looks at a process: a choice.
_EVERY = 0.1


def qwen3_reranker(folder: Path) -> Path:
    """A checkpoint of Qwen3-Reranker-0.6B's shape and name, as it is published but for its tokenizer and values."""
    tokenizer = qwen_tokenizer()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "eos")}
    config = AutoConfig.for_model(
        "qwen3",
        vocab_size=151_669,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        tie_word_embeddings=True,
        **ids,
    )
    made: Any = transformers.Qwen3ForCausalLM
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    model = made(config)
    torch.set_default_dtype(torch.float32)
    target = folder / "Qwen3-Reranker-0.6B"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def weights(folder: Path) -> int:
    """The bytes that a checkpoint's weights are in float32."""
    sizes = []
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            sizes += [torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys()]  # noqa: SIM118
    return 4 * sum(sizes)


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="scorert-") as scratch:
        given = [*arguments]
        if not given or given[0].startswith("-"):
            given.insert(0, str(qwen3_reranker(Path(scratch))))
        size = weights(Path(given[0]))
        command = [sys.executable, "-m", "export", *given, "--output", f"{scratch}/models"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        watch = _Watch(process.pid)
        watch.start()
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", flush=True)
            if line.endswith(" s\n") and not line.startswith(" "):
                own, mapped = watch.take()
                print(
                    f"    peak {own / _GIB:.2f} GiB ({own / size:.2f} x weights), {mapped / _GIB:.2f} with files mapped"
                )
        watch.over.set()
        print(f"exit {process.wait()}; weights {size / _GIB:.2f} GiB in float32; peak {watch.highest / size:.2f} x")


class _Watch(threading.Thread):
    """Watches the memory of a process and its children: what is their own, and with the pages of mapped files."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.highest = 0
        self._pid = pid
        self._peaks = (0, 0)

    def run(self) -> None:
        while not self.over.wait(_EVERY):
            found = [_memory(pid) for pid in _tree(self._pid)]
            own, mapped = sum(own for own, _ in found), sum(total for _, total in found)
            self._peaks = (max(own, self._peaks[0]), max(mapped, self._peaks[1]))
            self.highest = max(self.highest, own)

    def take(self) -> tuple[int, int]:
        """The peaks since this was last asked."""
        peaks, self._peaks = self._peaks, (0, 0)
        return peaks


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _tree(int(child))


def _memory(pid: int) -> tuple[int, int]:
    """Bytes of anonymous memory, and of all that is resident."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.endswith(" kB")}
    return found.get("RssAnon", 0) + found.get("RssShmem", 0), found.get("VmRSS", 0)


if __name__ == "__main__":
    main(sys.argv[1:])
