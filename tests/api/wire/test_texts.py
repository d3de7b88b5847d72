import pytest

from api.errors import TextOnlyModel
from api.wire.texts import Item, Part, content, contents
from engine import Text


def test_one_text_is_a_list_of_one() -> None:
    assert contents("a", "BertModel") == ["a"]
    assert contents(Item(text="a"), "BertModel") == ["a"]


def test_shapes_may_be_mixed() -> None:
    parts = Item(content=[Part("text", "c"), Part("text", "d")])
    assert contents(["a", Item(text="b"), parts], "BertModel") == ["a", "b", [Text("c"), Text("d")]]


def test_empty_text_is_a_text() -> None:
    assert content(Item(text=""), "BertModel") == ""


def test_images_are_refused_by_the_models_architecture() -> None:
    with pytest.raises(TextOnlyModel, match=r"^MultiModalParam is not supported for BertModel$"):
        content(Item(content=[Part("text", "a"), Part("image_url")]), "BertModel")
