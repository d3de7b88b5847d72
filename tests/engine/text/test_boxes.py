"""A token's box is the part of its picture that its embedding depends on most, and text has none."""

import numpy as np
import pytest

from engine import Box, Engine, Image, Text

HEIGHT, WIDTH = 300, 420
PLACEHOLDERS = {"<|image_pad|>", "<image>"}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def inverted(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The picture with the colours of a box the other way round."""
    changed = pixels.copy()
    part = changed[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
    part[:] = 255 - part
    return changed


def area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["colqwen2", "colqwen2.5", "colqwen3", "colpali", "colmodernvbert"])
def test_boxes_are_where_graphs_look(multimodal, name):
    _, artifact = multimodal(name)
    engine = Engine.load(artifact, threads=1)
    pixels = noise(0)
    compared = engine.compare_tokens("a query", Image(pixels))
    assert compared.query_boxes == [None] * len(compared.query_tokens)
    assert len(compared.document_boxes) == len(compared.document_tokens) == compared.similarity.shape[1]
    boxes = {place: box for place, box in enumerate(compared.document_boxes) if box is not None}
    places = list(boxes)
    assert places == [place for place, token in enumerate(compared.document_tokens) if token in PLACEHOLDERS]
    before = engine.embed_tokens([Image(pixels)]).embeddings[0]
    for place, box in list(boxes.items())[:: len(places) // 7]:
        changed = engine.embed_tokens([Image(inverted(pixels, box))]).embeddings[0]
        moved = np.abs(changed - before).sum(axis=1)
        # A tile's patches and those of the whole picture, which are larger, see the same.
        alike = [other for other in places if area(boxes[other]) == pytest.approx(area(box))]
        assert alike[int(moved[alike].argmax())] == place
    engine.close()


@pytest.mark.slow
def test_pictures_are_numbered_in_the_order_of_their_content(multimodal):
    _, artifact = multimodal("colqwen2")
    engine = Engine.load(artifact, threads=1)
    small = Image(noise(1)[:70, :90])
    compared = engine.compare_tokens(small, [Text("Before, "), small, Text("between"), Image(noise(2)), small])
    boxes = [box for box in compared.document_boxes if box is not None]
    counts = [sum(box.image == image for box in boxes) for image in range(3)]
    assert counts[0] == counts[2] < counts[1]
    assert [box.image for box in boxes] == sorted(box.image for box in boxes)
    assert [max(box.bottom for box in boxes if box.image == image) for image in range(3)] == [70, HEIGHT, 70]
    own = [box for box in compared.query_boxes if box is not None]
    assert own == [box for box in boxes if box.image == 0]
    assert compared.query_tokens.count("<|image_pad|>") == len(own)
    engine.close()


def test_texts_have_no_boxes(artifacts):
    engine = Engine.load(artifacts("minilm-colbert"), threads=1)
    compared = engine.compare_tokens("a query", "a document, whose punctuation is skipped.")
    assert compared.query_boxes == [None] * len(compared.query_tokens)
    assert compared.document_boxes == [None] * len(compared.document_tokens)
    engine.close()
