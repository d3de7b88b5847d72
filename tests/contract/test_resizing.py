"""The recorded scores of images come out to 1e-5 where images are resized by PyTorch, as vLLM does.

So nothing but the filters' last bits stands between the recordings and `test_replay_multimodal`.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import Content, Engine, Text, decode_image
from engine.images.image import Pixels
from engine.images.processor import ImageProcessor
from tests.contract.recordings import MULTIMODAL, read

pytestmark = pytest.mark.slow


def resized(self: ImageProcessor, pixels: Pixels, height: int, width: int) -> Pixels:
    """What torchvision does with a tensor of uint8."""
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    made = torch.nn.functional.interpolate(tensor, size=(height, width), mode=self.filter, antialias=True)
    return made[0].permute(1, 2, 0).numpy()


def contents(side: Any) -> list[Content]:
    return [
        item
        if isinstance(item, str)
        else [
            Text(part["text"])
            if part["type"] == "text"
            else decode_image(base64.b64decode(part["image_url"]["url"].partition(",")[2]))
            for part in item["content"]
        ]
        or ""
        for item in (side if isinstance(side, list) else [side])
    ]


@pytest.mark.parametrize("model", MULTIMODAL)
def test_scores_of_images(
    multimodal: Callable[..., tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(ImageProcessor, "resize", resized)
    _, artifact = multimodal(model, "--prompts", "vllm")
    engine = Engine.load(artifact, threads=1)
    cases = [
        case
        for case in read(model).values()
        if case.status == 200 and "queries" in case.request.json and "use_activation" not in case.request.json
    ]
    assert len(cases) >= 7
    for case in cases:
        sides = (contents(case.request.json[side]) for side in ("queries", "documents"))
        recorded = [score["score"] for score in case.response["data"]]
        np.testing.assert_allclose(engine.score(*sides).scores, recorded, atol=1e-5, err_msg=case.name)
    engine.close()
