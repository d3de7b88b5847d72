"""The shapes of contents, as requests have them and as the engine is given them."""

import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from api.endpoint import Call
from api.errors import InvalidRequest, TextOnlyModel, UnreadPart
from api.limits import Limits
from api.media.reading import Media
from api.media.settings import MediaSettings
from api.wire.contents import Inputs, Item, Items, Part, images_of, listed, read, several
from api.wire.decoding import decode
from engine import Engine, Job, Text, decode_image
from tests.engine.images.pictures import picture, saved

FILES = [saved(picture("RGB", 4, 3 + seed, seed), "PNG") for seed in range(2)]
IMAGES = [decode_image(file) for file in FILES]
IN_BASE64 = [base64.b64encode(file).decode() for file in FILES]
URLS = [f"data:image/png;base64,{text}" for text in IN_BASE64]


class Body(msgspec.Struct):
    documents: Items


@pytest.fixture
def call() -> Iterator[Call]:
    media = Media(MediaSettings())
    yield cast(Call, SimpleNamespace(limits=Limits(), media=media.of(Job()), count=lambda number, parameter: None))
    media.close()


def engine(reads_pictures: bool = True) -> Engine:
    """As much of one as is looked at before there are contents."""
    manifest = SimpleNamespace(pictures=object() if reads_pictures else None, architecture="BertModel")
    return cast(Engine, SimpleNamespace(manifest=manifest))


def parsed(documents: Any) -> Any:
    return decode(msgspec.json.encode({"documents": documents}), Body).documents


def parts(*given: Any) -> dict[str, Any]:
    """A content: strings are texts, numbers the URLs of images."""
    return {
        "content": [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": URLS[part]}}
            for part in given
        ]
    }


def test_one_content_is_a_list_of_one() -> None:
    assert listed("a") == ["a"]
    item = Item(text="a")
    assert listed(item) == [item]


def test_texts_may_have_any_shape(call: Call) -> None:
    items = parsed(["a", {"text": "b"}, parts("c", "d"), {"text": ""}, {"content": []}])
    assert read(items, engine(reads_pictures=False), call) == ["a", "b", "c\nd", "", ""]


def test_images_are_read_wherever_they_stand(call: Call) -> None:
    items = parsed(["a", parts(1, "b", 0), {"image": URLS[0]}, {"image": IN_BASE64[1], "text": "c"}, parts("d")])
    first, second = IMAGES
    contents = read(items, engine(), call)
    assert contents == ["a", [second, first, Text("b")], [first, Text("")], [second, Text("c")], "d"]
    assert images_of(contents) == [second, first, first, second]


def test_images_for_a_model_of_texts_are_not_read(call: Call) -> None:
    for url in (URLS[0], "data:,no image"):
        with pytest.raises(TextOnlyModel, match=r"^MultiModalParam is not supported for BertModel: leave "):
            read([Item(image=url)], engine(reads_pictures=False), call)


@pytest.mark.parametrize(("kind", "begins"), [
    ("video_url", "Video parts are not read yet: "),
    ("input_audio", "Audio parts are not read yet: "),
    ("image_embeds", "Image embedding parts are not read yet: "),
])  # fmt: skip
def test_parts_that_are_not_read(call: Call, kind: str, begins: str) -> None:
    items = parsed([{"content": [{"type": "text", "text": "a"}, {"type": kind, kind: {}}]}])
    with pytest.raises(UnreadPart) as caught:
        read(items, engine(), call)
    assert str(caught.value).startswith(begins)


@pytest.mark.parametrize(("part", "complaint"), [
    ({"type": "sound_url"}, " must be of type text or image_url, not 'sound_url'."),
    ({"image_url": {"url": "data:,a"}}, ".type is missing: add it."),
    ({"image_url": "data:,a"}, ".image_url must be an object, not a string."),
    ({"type": "image_url"}, " must have image_url, being of type image_url."),
    ({"type": "text", "image_url": {"url": "data:,a"}}, " must have text, being of type text."),
    ({"type": "text", "text": None}, " must have text, being of type text."),
])  # fmt: skip
def test_parts_that_are_wrong(part: Any, complaint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed([{"content": [part]}])
    assert str(caught.value) == f"documents[0].content[0]{complaint}"


@pytest.mark.parametrize("item", [{}, {"text": "a", "content": []}, {"image": "data:,a", "content": []}])
def test_items_are_one_thing_or_another(item: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="must have text, image or both, or else content"):
        parsed([item])


def test_a_part_comes_back_as_it_was_sent() -> None:
    sent = {"type": "image_url", "uuid": "7", "image_url": {"detail": "low", "url": "data:,a"}}
    back = msgspec.json.encode(decode(msgspec.json.encode(sent), Part))
    assert back == b'{"image_url":{"url":"data:,a","detail":"low"},"type":"image_url","uuid":"7"}'
    assert msgspec.json.encode(Part(type="text", text="a")) == b'{"text":"a","type":"text"}'


def test_tokens_stand_beside_contents(call: Call) -> None:
    inputs: Inputs = ["a", [1, 2], Item(image=URLS[0])]
    assert several(inputs, engine(), call) == ["a", [1, 2], [IMAGES[0], Text("")]]
    assert several([1, 2], engine(), call) == [[1, 2]]
    assert several(Item(text="a"), engine(), call) == ["a"]
    with pytest.raises(InvalidRequest, match=r"^input must be a string"):
        several(["a", 1], engine(), call)
