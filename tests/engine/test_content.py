"""A query or document is a text or a sequence of parts, alone or among others, wherever the engine takes one."""

import io

import numpy as np
import PIL.Image
import pyarrow
import pytest

from engine import Engine, Image, InvalidInput, Text, text_of
from engine.content import Pictured, is_content, read_content, read_contents

PARTS = [Text("Paris is"), Text("in France.")]
JOINED = "Paris is\nin France."


def test_parts_are_read_on_a_line_each():
    assert text_of(PARTS) == JOINED
    assert text_of("a") == "a"
    assert text_of([Text("")]) == ""


def test_one_content_is_told_from_several():
    assert all(is_content(one) for one in ("", "a", PARTS, tuple(PARTS)))
    assert not any(is_content(several) for several in ([], ["a"], [PARTS], [PARTS, "a"], [1, 2]))


@pytest.mark.parametrize("name", ["minilm-ce", "minilm-bi", "minilm-colbert"])
def test_parts_score_as_their_text_does(artifacts, name):
    engine = Engine.load(artifacts(name))
    want = engine.score("capital?", ["a", JOINED]).scores
    np.testing.assert_array_equal(engine.score("capital?", ["a", PARTS]).scores, want)
    np.testing.assert_array_equal(engine.score([Text("capital?")], ["a", PARTS]).scores, want)
    np.testing.assert_allclose(engine.score("capital?", PARTS).scores, want[1:], atol=1e-6)
    assert engine.rerank("capital?", [PARTS, "a"], top_n=1).results[0].score == pytest.approx(max(want))
    if name == "minilm-bi":
        both = engine.embed([PARTS, JOINED]).embeddings
        np.testing.assert_array_equal(both[0], both[1])
        assert engine.embed(PARTS).embeddings.shape == (1, 384)
    engine.close()


NEITHER = [Text("a"), ["b", Text("c")], [Text("c"), "b"], [["b", "c"]], [[]], 5, None, [5], {"text": "a"}]


@pytest.mark.parametrize("wrong", NEITHER, ids=map(str, range(len(NEITHER))))
def test_what_is_no_content_is_one_sentence(artifacts, wrong):
    engine = Engine.load(artifacts("minilm-bi"))
    for call in (lambda: engine.score(wrong, "d"), lambda: engine.score("q", wrong), lambda: engine.rerank("q", wrong)):
        with pytest.raises(InvalidInput, match="must be a text, a list of parts such as"):
            call()
    if wrong != [5]:  # A text as token ids.
        with pytest.raises(InvalidInput, match=r"Texts must be a text|at least one token"):
            engine.embed(wrong)
    with pytest.raises(InvalidInput, match="Texts must be a text"):
        engine.embed(np.array([101, 102]))
    engine.close()


def red(size: int = 4) -> Image:
    return Image(np.full((size, size, 3), (255, 0, 0), np.uint8))


def png(size: int = 4) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (size, size), (255, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_pictures_come_first_and_in_every_form(tmp_path):
    (tmp_path / "red.png").write_bytes(png())
    forms = [red(), png(), tmp_path / "red.png", PIL.Image.open(io.BytesIO(png()))]
    for form in forms:
        assert read_content(form) == Pictured((red(),), "")
        assert read_content([Text("a"), form, Text("b")]) == Pictured((red(),), "a\nb")
    assert read_content([Text("a")]) == "a"


def test_a_list_of_pictures_is_as_many_contents():
    assert read_contents([red(), png()], "documents") == [Pictured((red(),), "")] * 2
    assert read_contents([[red(), png()]], "documents") == [Pictured((red(), red()), "")]
    assert read_contents([red(), Text("a")], "documents") == [Pictured((red(),), "a")]
    assert read_contents([[red()], "a"], "documents") == [Pictured((red(),), ""), "a"]


def test_a_string_is_never_a_picture(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(png())
    assert read_content(str(path)) == str(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_content(tmp_path / "none.png")


def test_a_model_of_texts_refuses_pictures_in_one_sentence(artifacts):
    engine = Engine.load(artifacts("minilm-bi"))
    for call in (lambda: engine.score("q", [red()]), lambda: engine.embed([red()]), lambda: engine.score(red(), "d")):
        with pytest.raises(InvalidInput, match="reads text alone: leave pictures out, or use a multimodal model"):
            call()
    engine.close()


@pytest.mark.parametrize("wrong", [5, None])
def test_the_text_of_a_part_is_a_string(wrong):
    with pytest.raises(InvalidInput, match=r"^The text of a Text must be a string, not \w+: convert it\.$"):
        Text(wrong)


@pytest.mark.parametrize("wrong", [None, 5, [], ["a", "b"], [[Text("a")], "b"], bytearray(b"a")])
def test_a_comparison_is_of_one_content_with_one(artifacts, wrong):
    engine = Engine.load(artifacts("minilm-colbert"))
    for arguments in ((wrong, "a"), ("a", wrong)):
        with pytest.raises(InvalidInput, match=r"^(query|document) must be one text, a list of parts such as "):
            engine.compare_tokens(*arguments)
    engine.close()


@pytest.mark.parametrize("wrong", [bytearray(b"\x89PNG"), [bytearray(b"\x89PNG")], memoryview(b"\x89PNG")])
def test_bytes_that_can_change_are_no_tokens(artifacts, wrong):
    engine = Engine.load(artifacts("minilm-bi"))
    with pytest.raises(InvalidInput, match="Texts must be a text, a list of token ids, a picture"):
        engine.embed(wrong)


def test_columns_of_texts_are_as_many_texts(artifacts):
    """Arrays of NumPy, and what has its way to be a list, as columns of pandas, Polars and Arrow have."""
    engine = Engine.load(artifacts("minilm-bi"))
    texts = ["a", "many cows"]
    want = engine.score("capital?", texts).scores
    columns = [
        np.array(texts),
        np.array(texts, object),
        pyarrow.array(texts),
        pyarrow.chunked_array([texts]),
        tuple(texts),
    ]
    for column in columns:
        np.testing.assert_array_equal(engine.score("capital?", column).scores, want)
        assert len(engine.embed(column).embeddings) == 2
    for wrong in (np.array(["a", None], object), np.array("a"), np.array([["a"]]), (text for text in texts)):
        with pytest.raises(InvalidInput, match=r"^documents must be a text, "):
            engine.score("capital?", wrong)
    engine.close()
