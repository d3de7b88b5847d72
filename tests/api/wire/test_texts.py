import pytest

from api.errors import TextOnlyModel
from api.wire.texts import Item, Part, plain_text, plain_texts


def test_one_text_is_a_list_of_one() -> None:
    assert plain_texts("a", "BertModel") == ["a"]
    assert plain_texts(Item(text="a"), "BertModel") == ["a"]


def test_shapes_may_be_mixed() -> None:
    content = Item(content=[Part("text", "c"), Part("text", "d")])
    assert plain_texts(["a", Item(text="b"), content], "BertModel") == ["a", "b", "c\nd"]


def test_empty_text_is_a_text() -> None:
    assert plain_text(Item(text=""), "BertModel") == ""


def test_images_are_refused_by_the_models_architecture() -> None:
    with pytest.raises(TextOnlyModel, match=r"^MultiModalParam is not supported for BertModel$"):
        plain_text(Item(content=[Part("text", "a"), Part("image_url")]), "BertModel")
