"""Measures what pictures cost, beside transformers and beside text alone: scripts/bench --multimodal.

The models have the shapes of published ones and random weights; where memory asks for it they have fewer layers, and
both sides have the same. Everybody computes on all cores of this machine, in turns in one process, and ratios are of
medians.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers
from rich import box
from rich.console import Console
from rich.table import Table

from checkpoints.multimodal import dual_encoders, qwen2_vl
from checkpoints.multimodal.files import write_model
from checkpoints.multimodal.qwen import VOCABULARY
from engine import Engine, Job
from engine.artifact.precisions import Precision
from engine.images.decode import from_pillow
from engine.images.smart_resize import SmartResize
from export.__main__ import main as export
from export.checkpoint.images.checking import load_processor

from . import machine
from .bars import Bar

CACHE = Path(".bench") / "multimodal"

# How often each side runs: the first is not counted.
_TURNS = 5
_SIZE = (1008, 784)
"""Height and width of a page."""

_SIGLIP_BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "model_type": "siglip_vision_model",
}
_PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
_BOTH = ("--precision", ",".join(_PRECISIONS))

_QWEN2_VL_TOWER = {"embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "depth": 8}
"""The published tower has 32 layers; 8 cost a quarter."""
_TEXT = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 4, "num_attention_heads": 8}
"""A language model large enough that computing outweighs what surrounds it."""


def main() -> list[Bar]:
    """Measure, print and judge."""
    CACHE.mkdir(parents=True, exist_ok=True)
    bars = [*_siglip(), *_qwen2_vl()]
    table = Table("bar", "measured", "wanted", "", box=box.MARKDOWN)
    for bar in bars:
        table.add_row(bar.name, f"{bar.value:.2f}", bar.text(), "" if bar.holds() else "missed")
    console = Console(width=120)
    console.print(*machine.describe(), sep="\n")
    console.print(table)
    return bars


def _siglip() -> list[Bar]:
    checkpoint, artifact = _made("siglip", _build_siglip, *_BOTH)
    model: Any = transformers.SiglipModel.from_pretrained(checkpoint)
    model.eval()
    processor = load_processor(checkpoint)
    picture = _page((448, 640))

    def reference() -> Any:
        with torch.no_grad():
            return model.get_image_features(**processor(images=[picture], return_tensors="pt"))

    def embedding(engine: Engine) -> Callable[[], Any]:
        return lambda: engine.embed([from_pillow(picture)])

    *ours, theirs = _in_turns(*map(embedding, _opened(artifact)), reference)
    return _towers("SigLIP-base", ours, theirs)


def _qwen2_vl() -> list[Bar]:
    # Long enough for the page, and short enough to verify in minutes.
    longest = ["--max-length", "1536"]
    checkpoint, artifact = _made("jina-reranker-m0", _build_reranker, *_BOTH, *longest)
    model: Any = transformers.AutoModel.from_pretrained(checkpoint).eval()
    processor = load_processor(checkpoint)
    picture = _page(_SIZE)
    image = from_pillow(picture)

    remembering = Engine.load(artifact)
    reading = remembering.manifest.pictures
    assert reading is not None
    pixels = reading.preprocessing
    assert isinstance(pixels, SmartResize)
    # As many as the engine gives a picture, which the processor's own file may not.
    size = {"shortest_edge": pixels.min_pixels, "longest_edge": pixels.max_pixels}

    def reference() -> Any:
        with torch.no_grad():
            made = processor(images=[picture], size=size, return_tensors="pt")
            return model.visual(made["pixel_values"], grid_thw=made["image_grid_thw"])

    laid_out = reading.lay_out(image)

    def tower(engine: Engine) -> Callable[[], Any]:
        assert engine._vision is not None
        workers = engine._vision._opened.workers
        return lambda: workers.run([laid_out], Job())

    *ours, theirs = _in_turns(*map(tower, _opened(artifact)), reference)
    first = _once(lambda: remembering.score("a page", [image]))
    again = statistics.median(_once(lambda: remembering.score("a page", [image])) for _ in range(_TURNS))
    text = Engine.load(_made("text-reranker", _build_text, *longest)[1])
    pairs = ["which page says it?"] * 20, [f"the page of number {number} " * 12 for number in range(20)]
    of_both, of_text = _in_turns(lambda: remembering.score(*pairs), lambda: text.score(*pairs))
    tokens = remembering.score(*pairs).tokens / text.score(*pairs).tokens
    print(f"a page: first {first:.2f} s, again {again:.2f} s, the vision graph {ours[0]:.2f} s", file=sys.stderr)
    return [
        *_towers("Qwen2-VL's tower", ours, theirs),
        Bar("a page scored: the first time ÷ again", first / again, 10.0),
        Bar("texts: multimodal ÷ text alone, a token", of_both / of_text / tokens, 1.05, at_most=True),
    ]


def _opened(artifact: Path) -> list[Engine]:
    """An engine for each precision, which remembers nothing."""
    return [Engine.load(artifact, precision=precision, embedding_cache_bytes=0) for precision in _PRECISIONS]


def _towers(name: str, ours: Sequence[float], theirs: float) -> list[Bar]:
    """A bar for each precision; transformers' side is in float32."""
    return [
        Bar(f"a picture through {name}: transformers ÷ ScoreRT in {precision}", theirs / own, 1.3)
        for precision, own in zip(_PRECISIONS, ours, strict=True)
    ]


def _made(name: str, build: Callable[[Path], None], *options: str) -> tuple[Path, Path]:
    """The checkpoint and the artifact of that name, exported with `options` and kept for the next time."""
    checkpoint, artifact = CACHE / "checkpoints" / name, CACHE / "artifacts" / name
    if not artifact.exists():
        build(checkpoint)
        assert export([str(checkpoint), "--output", str(artifact.parent), "--force", *options]) == 0
    return checkpoint, artifact


def _build_siglip(folder: Path) -> None:
    dual_encoders.siglip2(folder)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] |= _SIGLIP_BASE
    config["text_config"]["projection_size"] = _SIGLIP_BASE["hidden_size"]
    _write(folder, transformers.SiglipModel, config)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["size"] = {"height": 224, "width": 224}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _build_reranker(folder: Path) -> None:
    qwen2_vl.jina_m0(folder)
    config = json.loads((folder / "config.json").read_text())
    head = {"hidden_size": _TEXT["hidden_size"]}
    config |= _TEXT | {"rope_scaling": {"mrope_section": [8, 12, 12], "rope_type": "default", "type": "default"}}
    config["num_key_value_heads"] = 2
    config["vision_config"] |= _QWEN2_VL_TOWER | head
    weights = _drawn(transformers.Qwen2VLModel, config)
    width = int(_TEXT["hidden_size"])
    for layer, (out, size) in enumerate([(width, width), (1, width)]):
        weights[f"score.{2 * layer}.weight"] = torch.randn(out, size) * 0.02
        weights[f"score.{2 * layer}.bias"] = torch.zeros(out)
    write_model(folder, config, weights)


def _build_text(folder: Path) -> None:
    """The same language model without a tower, as a reranker with the shortest prompt there is."""
    qwen2_vl.jina_m0(folder)
    (folder / "preprocessor_config.json").unlink()
    config = {
        "architectures": ["Qwen2ForSequenceClassification"],
        "model_type": "qwen2",
        "num_key_value_heads": 2,
        "vocab_size": VOCABULARY,
        "id2label": {"0": "LABEL_0"},
        "max_position_embeddings": 32768,
        **_TEXT,
    }
    _write(folder, transformers.Qwen2ForSequenceClassification, config)


def _write(folder: Path, kind: Any, config: dict[str, Any]) -> None:
    write_model(folder, config, _drawn(kind, config))


def _drawn(kind: Any, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = kind(kind.config_class.from_dict(json.loads(json.dumps(config))))
    return {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}


def _page(size: tuple[int, int]) -> PIL.Image.Image:
    """A picture of that height and width, as different from patch to patch as one can be."""
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))


def _in_turns(*sides: Callable[[], Any]) -> list[float]:
    """The median seconds of each."""
    times = [[_once(side) for side in sides] for _ in range(_TURNS + 1)]
    return [statistics.median(own) for own in zip(*times[1:], strict=True)]


def _once(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
