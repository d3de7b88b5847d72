"""Boxes of tokens over HTTP, and which models say that they read images."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.models import Models
from api.settings.settings import Settings
from engine import Engine

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[4] / "export/verification/samples"


def image(name: str) -> dict[str, Any]:
    encoded = base64.b64encode((SAMPLES / name).read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:;base64,{encoded}"}}


@pytest.fixture(scope="module")
def client(multimodal: Callable[..., tuple[Path, Path]], artifacts: Callable[[str], Path]) -> Iterator[TestClient]:
    folders = {"colqwen2": multimodal("colqwen2")[1], "minilm-colbert": artifacts("minilm-colbert")}
    models = Models({name: Engine.load(folder, threads=1) for name, folder in folders.items()})
    yield TestClient(create_app(models, Settings()))
    models.close()


def test_boxes_are_in_pixels_of_the_upright_image(client: TestClient) -> None:
    parts = [image("slide.png"), image("rotated.jpg"), {"type": "text", "text": "PIER 4"}]
    body = {"model": "colqwen2", "query": "pier", "document": {"content": parts}}
    answer = client.post("/token_similarity", json=body).json()
    assert answer["query_boxes"] == [None] * len(answer["query_tokens"])
    assert len(answer["document_boxes"]) == len(answer["document_tokens"]) == len(answer["similarity"][0])
    boxes = [box for box in answer["document_boxes"] if box is not None]
    assert len(boxes) == answer["document_tokens"].count("<|image_pad|>")
    sizes = [[max(box["box"][side] for box in boxes if box["image"] == number) for side in (2, 3)] for number in (0, 1)]
    # The second file is 240 x 160, and says that it is to be turned.
    assert sizes == [[640, 360], [160, 240]]
    assert next(box["box"][:2] for box in boxes if box["image"] == 1) == [0, 0]


def test_an_image_may_ask(client: TestClient) -> None:
    body = {"model": "colqwen2", "query": {"content": [image("tiny.png")]}, "document": "three colours"}
    answer = client.post("/token_similarity", json=body).json()
    boxes = [box for box in answer["query_boxes"] if box is not None]
    assert {box["image"] for box in boxes} == {0}
    assert max(box["box"][2] for box in boxes) == 3
    assert answer["document_boxes"] == [None] * len(answer["document_tokens"])


def test_models_say_what_they_read(client: TestClient) -> None:
    models = client.get("/info").json()["models"]
    assert {model["name"]: model["modalities"] for model in models} == {
        "colqwen2": ["text", "image"],
        "minilm-colbert": ["text"],
    }
