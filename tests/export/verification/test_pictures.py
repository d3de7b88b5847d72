"""The pictures that graphs are verified on are small, decoded by the engine, and drawn by `scripts/pictures.py`."""

import numpy as np

from engine.images.decode import decode
from export.verification.pictures import pictures
from scripts.pictures import draw_all


def test_they_are_small_and_differ():
    samples = pictures()
    assert len({decode(sample.data).pixels.tobytes() for sample in samples}) == len(samples) >= 12
    assert max(len(sample.data) for sample in samples) < 40_000
    assert sum(len(sample.data) for sample in samples) < 300_000


def test_the_script_draws_them(tmp_path):
    draw_all(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [sample.name for sample in pictures()]
    for sample in pictures():
        drawn, shipped = (
            decode(data).pixels.astype(int) for data in ((tmp_path / sample.name).read_bytes(), sample.data)
        )
        assert np.abs(drawn - shipped).mean() < 1, sample.name  # other releases of the codecs may round otherwise
