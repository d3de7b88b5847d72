"""Reads the recipes of ColPali's kin: ColPali, ColQwen2, ColQwen2.5, ColQwen3 and ColModernVBERT."""

import json
from dataclasses import dataclass, replace

from engine.artifact.artifact import PICTURES, TEXT, Prompts

from ...checkpoint.files import Checkpoint
from ...checkpoint.settings import Settings
from ...errors import ExportError
from ...recipe import Head, Marking, PictureRecipe, Recipe
from .bodies import pictures

_AUGMENTATION = 10
"""How often queries are followed by a token that says nothing, for the model to write expansions into
(https://arxiv.org/abs/2407.01449, section 4.1)."""


@dataclass(frozen=True)
class _Prompts:
    """A family's prompts: of a page, with the caption that it has before its own text, and around texts.

    `query_tail` follows a query, `document_tail` a text that is a document. A processor's file may name other prefixes
    of them, which stand for `{query_prefix}` and `{passage_prefix}`.
    """

    page: str
    caption: str = "Describe the image."
    query: str = "{query_prefix}"
    document: str = ""
    query_tail: str = ""
    document_tail: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""

    def with_prefixes(self, settings: Settings) -> "_Prompts":
        """The same with the prefixes of a processor's file, or else the family's."""
        named = ("query_prefix", "passage_prefix")
        prefixes = {name: settings.name(name) or str(getattr(self, name)) for name in named}

        def filled(text: str) -> str:
            for name, prefix in prefixes.items():
                text = text.replace(f"{{{name}}}", prefix)
            return text

        return replace(self, page=filled(self.page), query=filled(self.query), document=filled(self.document))


_QWEN_PAGE = "<|im_start|>user\n{pictures}{text}<|im_end|><|endoftext|>"
_QWEN_TAIL = "<|endoftext|>" * _AUGMENTATION
_CHAT = "<|im_start|>user\n"
_REPLY = "<|im_end|>\n<|im_start|>assistant\n"
_TOMORO = "colqwen3"
"""The model type of TomoroAI's ColQwen3. colpali-engine's class of that name has Qwen3-VL's own."""

# By the first of the architectures. transformers' own layouts are read by its processors, others by colpali-engine's
# 0.3 or by the authors' own code: processing_colqwen3.py, processing_ops_colqwen3.py and
# processing_qwen3_vl_nemotron_embed.py beside their checkpoints.
_AUTHORS = {
    "ColPaliForRetrieval": _Prompts(
        "{pictures}<bos>{text}\n", query_prefix="Question: ", query_tail="<pad>" * _AUGMENTATION + "\n"
    ),
    # colpali-engine writes "<bos>" into the prompt, and PaliGemma's processor once more, in training as now.
    "ColPali": _Prompts("{pictures}<bos><bos>{text}\n", query_tail="<pad>" * _AUGMENTATION),
    "ColQwen2ForRetrieval": _Prompts(_QWEN_PAGE, query_prefix="Query: ", query_tail=_QWEN_TAIL + "\n"),
    "ColQwen2": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL),
    "ColQwen2_5": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL),
    "ColQwen3": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL),
    "OpsColQwen3Model": _Prompts(
        "<|im_start|>user\n{pictures}{text}<|im_end|><|im_start|>assistant\n<|endoftext|>",
        query_prefix="Query: ",
        query_tail=_QWEN_TAIL,
    ),
    "Qwen3VLNemotronEmbedModel": _Prompts(
        # The space stays where there is no text.
        f"{_CHAT}{{pictures}}{{passage_prefix}} {{text}}{_REPLY}",
        caption="",
        query=f"{_CHAT}Query: {{query_prefix}} ",
        document=f"{_CHAT}{{passage_prefix}} ",
        query_tail=_REPLY,
        document_tail=_REPLY,
        query_prefix="query:",
        passage_prefix="passage:",
    ),
    "ColModernVBertForRetrieval": _Prompts(
        "[CLS]<|begin_of_text|>User:{pictures}{text}<end_of_utterance>\nAssistant:[SEP]",
        query_tail="<end_of_utterance>" * _AUGMENTATION,
    ),
}
# vLLM adds nothing to texts; a picture's placeholder stands before the special tokens that go around its text.
_VLLM = {"modernvbert": "{pictures}[CLS]{text}[SEP]", "paligemma": "{pictures}<bos>{text}\n"}

_MOST_PIXELS = 768 * 28**2
"""Those of a picture in training of ColQwen2 and ColQwen2.5 (vidore's model cards: 768 tokens), where a file allows
more."""
_TOMORO_PIXELS = 1280 * 32**2
"""Those that TomoroAI's processor allows, whatever its file says."""


def read(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """A projection after the body gives the token embeddings, of length 1."""
    architecture = checkpoint.architecture
    own = _own_prompts(checkpoint) if prompts == "authors" else _Prompts(_vllm_page(checkpoint), caption="", query="")
    return Recipe(
        "late-interaction",
        architecture,
        heads=[*_projection(checkpoint), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=own.query,
        document_prompt=own.document,
        query=Marking(tail=own.query_tail, pictured=own.page, caption=own.caption),
        document=Marking(tail=own.document_tail, pictured=own.page, caption=own.caption),
        pictures=_pictures(checkpoint) if prompts == "authors" else _vllm_pictures(checkpoint),
    )


def _pictures(checkpoint: Checkpoint) -> PictureRecipe:
    own = pictures(checkpoint.native)
    if checkpoint.architecture in ("ColQwen2", "ColQwen2_5"):
        return replace(own, most_pixels=_MOST_PIXELS)
    return replace(own, pixels=(None, _TOMORO_PIXELS)) if checkpoint.config["model_type"] == _TOMORO else own


def _vllm_pictures(checkpoint: Checkpoint) -> PictureRecipe:
    """vLLM shrinks a picture to one tile, and has nothing around it (models/colmodernvbert.py)."""
    return replace(pictures(checkpoint.native), marked=False, split=False)


def _own_prompts(checkpoint: Checkpoint) -> _Prompts:
    """The family's, with what the checkpoint's own processor says otherwise. Raises `ExportError`."""
    settings = checkpoint.json("processor_config.json")
    own = _AUTHORS[checkpoint.architecture].with_prefixes(settings)
    if checkpoint.config["model_type"] == _TOMORO:
        # Its processor has one prompt for all texts.
        return replace(own, document=own.query, document_tail=own.query_tail)
    page = settings.name("visual_prompt_prefix") or own.caption
    known = own.page.replace(PICTURES, pictures(checkpoint.native).placeholder).replace(TEXT, own.caption)
    if page not in known or own.caption not in page:
        raise ExportError(
            f"The checkpoint's processor_config.json has visual_prompt_prefix {json.dumps(page)}, which is not "
            f"{checkpoint.architecture}'s prompt {json.dumps(known)}: remove it if that is what was meant."
        )
    return own


def _vllm_page(checkpoint: Checkpoint) -> str:
    return _VLLM.get(checkpoint.native["model_type"], "{pictures}{text}")


def _projection(checkpoint: Checkpoint) -> list[Head]:
    """The layer by the name that the checkpoint's authors gave it; nemotron-colembed has none."""
    if checkpoint.architecture == "Qwen3VLNemotronEmbedModel":
        return []
    kind = checkpoint.config["model_type"]
    if kind == "modernvbert":
        name = "model.custom_text_proj"
    elif "vlm_config" in checkpoint.config or kind == _TOMORO:
        name = "embedding_proj_layer"
    else:
        name = "custom_text_proj"
    tensors = {"linear.weight": f"{name}.weight", "linear.bias": f"{name}.bias"}
    # Ops-Colqwen3 is used with as many of its layer's dimensions as it says.
    dims = checkpoint.config.whole("dims", 0, least=1) if kind == "ops_colqwen3" else 0
    rows = {"rows": dims} if dims else {}
    return [Head("Dense", rows, checkpoint.folder, tensors)]
