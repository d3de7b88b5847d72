"""What tests of images over HTTP have in common: two pictures, the models, and what a refusal says."""

import base64

import httpx

from engine import decode_image
from tests.engine.images.pictures import picture, saved

MODELS = {
    "minilm-bi": None,
    "clip": ("clip", "--prompts", "vllm"),
    "qwen3": ("qwen3-vl-embedding",),
    "m0": ("jina-m0", "--prompts", "vllm"),
    "colqwen3": ("colqwen3", "--prompts", "vllm"),
}
"""The served models, each by the options of `multimodal`."""

FILES = [saved(picture("RGB", 84, 112, 2), "PNG"), saved(picture("RGB", 64, 96, 0), "JPEG")]
"""A slope, and noise."""
FIRST, SECOND = map(decode_image, FILES)
DATA = [base64.b64encode(file).decode() for file in FILES]
"""In base64 alone."""
TEXT_ONLY = "MultiModalParam is not supported for BertModel: leave images out, or use a model that reads them."
URLS = [f"data:image/png;base64,{DATA[0]}", f"data:image/jpeg;base64,{DATA[1]}"]


def refusal(response: httpx.Response) -> tuple[str, str | None]:
    """The sentence, and the parameter that it is of."""
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    return error["message"], error["param"]
