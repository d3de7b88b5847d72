"""The tiny multimodal checkpoints are the same each time, and say how their pictures are prepared."""

import json

import pytest

from checkpoints import multimodal
from engine.artifact.artifact import Source
from export.checkpoint.files import Checkpoint
from export.checkpoint.images.checking import check_preprocessing
from export.checkpoint.images.reading import read_preprocessing


@pytest.fixture(scope="module", params=multimodal.BUILDERS)
def built(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    return request.param, multimodal.build(request.param, folder)


def test_building_again_gives_the_same_bytes(built, tmp_path):
    name, folder = built
    again = multimodal.build(name, tmp_path)
    files = {path.relative_to(folder.parent) for path in folder.parent.rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    for file in files:
        # An adapter names the folder of its base.
        content = (tmp_path / file).read_bytes().replace(str(tmp_path).encode(), str(folder.parent).encode())
        assert content == (folder.parent / file).read_bytes(), file
    assert again.name == folder.name == multimodal.PUBLISHED_NAMES.get(name, name)


def test_its_own_image_processor_agrees(built):
    name, folder = built
    if name == "clip-folder":
        folder /= "0_CLIPModel"
    path = folder / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}  # an adapter has none
    source = Source(model=name, revision=None, weights={})
    read = read_preprocessing(Checkpoint(folder, folder, config, {}, source, name, False))
    # transformers has no processor for Llama-Nemotron-VL.
    assert check_preprocessing(read, folder) != name.startswith("nemotron")
