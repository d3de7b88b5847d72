"""Embeddings and logits of multimodal checkpoints by other people's code, never the exporter's.

The models are transformers' own classes, with the heads of published modelling code written out where transformers has
no class for them. Prompts are the strings that published processors make, or those processors themselves; nothing here
reads a recipe. A picture is RGB, on white where it was transparent, as vLLM makes it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from torch import Tensor
from torch.nn.functional import linear, normalize
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColModernVBertProcessor,
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    Idefics3ImageProcessorPil,
    LlamaModel,
    PaliGemmaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen2VLModel,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipVisionModel,
)

Floats = NDArray[np.float32]
Picture = PIL.Image.Image


@dataclass(frozen=True)
class Both:
    """A content of pictures and a text."""

    pictures: tuple[Picture, ...]
    text: str


Content = str | Picture | Both


class Embedder:
    """What a role's content becomes: its token ids, where it has some, and its embedding or token embeddings."""

    def ids(self, role: str, content: Content) -> list[int]:
        raise NotImplementedError

    def embed(self, role: str, content: Content) -> Floats:
        raise NotImplementedError


def pictures_of(content: Content) -> list[Picture]:
    """Its pictures as models see them."""
    if isinstance(content, str):
        return []
    return [on_white(picture) for picture in (content.pictures if isinstance(content, Both) else [content])]


def text_of(content: Content) -> str:
    if isinstance(content, Both):
        return content.text
    return content if isinstance(content, str) else ""


def on_white(picture: Picture) -> Picture:
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    white = PIL.Image.new("RGBA", picture.size, "white")
    return PIL.Image.alpha_composite(white, picture).convert("RGB")


def settings_of(folder: Path, name: str = "config.json") -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return settings


def tokenizer_of(folder: Path) -> Any:
    """transformers' own, without the question whether a checkpoint's code may run."""
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def built(kind: type[PreTrainedModel], config: Any, weights: dict[str, Tensor]) -> Any:
    """A model with these weights, all of them and no others but a language model's output rows."""
    model: Any = kind(config)
    strays = model.load_state_dict(weights, strict=False)
    assert not [name for name in (*strays.missing_keys, *strays.unexpected_keys) if "lm_head" not in name], strays
    return model.float().eval()


def renamed(weights: dict[str, Tensor], **names: str) -> dict[str, Tensor]:
    """Weights whose names begin as the first one says begin as its value says; dots are written `__`."""
    pairs = [(old.replace("__", "."), new) for old, new in names.items()]
    found = {}
    for name, weight in weights.items():
        old, new = next((pair for pair in pairs if name.startswith(pair[0])), ("", ""))
        found[new + name.removeprefix(old)] = weight
    return found


class TwoTowers(Embedder):
    """transformers' CLIP, SigLIP and SigLIP2: `get_text_features` and `get_image_features`, made one long."""

    def __init__(self, folder: Path, kind: Any, processor: Any, padded: bool) -> None:
        self.model = kind.from_pretrained(folder).eval()
        self.processor = processor.from_pretrained(folder)
        # SiglipTokenizer wants another library. The file's normaliser prepares texts as that class does.
        load = PreTrainedTokenizerFast.from_pretrained if kind is SiglipModel else tokenizer_of
        self.tokenizer: Any = load(folder)
        self.padding: dict[str, Any] = {"padding": "max_length", "max_length": 64} if padded else {}

    def ids(self, role: str, content: Content) -> list[int]:
        ids: list[int] = self.tokenizer(content, truncation=True, **self.padding)["input_ids"]
        return ids

    @torch.no_grad()
    def embed(self, role: str, content: Content) -> Floats:
        if isinstance(content, str):
            # No mask: the padding is attended to, as in training.
            features = self.model.get_text_features(input_ids=torch.tensor([self.ids(role, content)]))
        else:
            pixels = self.processor(images=pictures_of(content), return_tensors="pt")
            features = self.model.get_image_features(**pixels)
        return normalize(features.pooler_output[0], dim=-1).numpy()


class SentenceTransformers(Embedder):
    """sentence-transformers' own reading of a folder, with whatever length its embeddings have."""

    def __init__(self, folder: Path) -> None:
        self.model = SentenceTransformer(str(folder), device="cpu")

    def embed(self, role: str, content: Content) -> Floats:
        given = content if isinstance(content, str) else pictures_of(content)[0]
        (row,) = self.model.encode([given])
        return cast(Floats, row)


# What stands for a picture in the prompts of all of Qwen's models.
VISION = "<|vision_start|><|image_pad|><|vision_end|>"


class QwenBody:
    """A Qwen-VL of transformers with its Pillow processor, which gives a picture from `fewest` to `most` pixels."""

    def __init__(self, folder: Path, model: Any, fewest: int | None = None, most: int | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer_of(folder)
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        size = dict(self.processor.size)
        self.size = {"shortest_edge": fewest or size["shortest_edge"], "longest_edge": most or size["longest_edge"]}

    def inputs(self, prompt: str, pictures: Sequence[Picture], end: Sequence[int] = ()) -> dict[str, Tensor]:
        """A prompt's tokens, with the pictures that its placeholders stand for, and `end` after it."""
        tensors: dict[str, Tensor] = {}
        if pictures:
            tensors = dict(self.processor(images=list(pictures), size=self.size, return_tensors="pt"))
            first, *others = prompt.split("<|image_pad|>")
            counts = (tensors["image_grid_thw"].prod(dim=1) // 4).tolist()
            repeated = ("<|image_pad|>" * count + text for count, text in zip(counts, others, strict=True))
            prompt = first + "".join(repeated)
        ids = torch.tensor([self.tokenizer(prompt)["input_ids"] + list(end)])
        is_picture = ids == self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        return tensors | {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": is_picture.int(),
        }

    @torch.no_grad()
    def states(self, inputs: dict[str, Tensor]) -> Tensor:
        """The last hidden states `[tokens, dim]`."""
        states: Tensor = self.model(**inputs).last_hidden_state[0]
        return states


Lay = Callable[[str, int, str], str]
"""Writes the prompt of a role's content, of its number of pictures and its text."""


class QwenEmbedder(Embedder):
    """A body and what its authors' code does with its states: a projection, or the last token alone."""

    def __init__(
        self, body: QwenBody, lay: Lay, project: Callable[[Tensor], Tensor], blank: Picture | None = None
    ) -> None:
        self.body = body
        self.lay = lay
        self.project = project
        self.blank = blank

    def _inputs(self, role: str, content: Content) -> dict[str, Tensor]:
        pictures = pictures_of(content)
        prompt = self.lay(role, len(pictures), text_of(content))
        return self.body.inputs(prompt, pictures or ([self.blank] if self.blank is not None else []))

    def ids(self, role: str, content: Content) -> list[int]:
        ids: list[int] = self._inputs(role, content)["input_ids"][0].tolist()
        return ids

    def embed(self, role: str, content: Content) -> Floats:
        return normalize(self.project(self.body.states(self._inputs(role, content))), dim=-1).numpy()


def last_token(states: Tensor) -> Tensor:
    return states[-1]


def qwen2_vl(folder: Path, prefix: str = "") -> Any:
    """Qwen2VLModel of a checkpoint with the names of before transformers 4.52."""
    weights = {name: w for name, w in load_file(folder / "model.safetensors").items() if not name.startswith("score.")}
    names = {"visual__": "visual.", "model__": "language_model."}
    return built(Qwen2VLModel, Qwen2VLConfig.from_dict(settings_of(folder)), renamed(weights, **names))


def qwen3_vl(folder: Path, **names: str) -> tuple[Any, dict[str, Tensor]]:
    """Qwen3VLModel of weights that are renamed so, and those of other names, which are its projection's."""
    weights = renamed(load_file(folder / "model.safetensors"), **names)
    own = {name: weight for name, weight in weights.items() if name.startswith(("visual.", "language_model."))}
    config = Qwen3VLConfig.from_dict(settings_of(folder) | {"model_type": "qwen3_vl"})
    model = built(Qwen3VLForConditionalGeneration, config, {f"model.{name}": weight for name, weight in own.items()})
    return model.model, {name: weight for name, weight in weights.items() if name not in own}


def qwen3_embedding(folder: Path) -> Embedder:
    """Qwen3VLEmbedder of https://github.com/QwenLM/Qwen3-VL-Embedding: `format_model_input` and its processor."""

    def lay(role: str, pictures: int, text: str) -> str:
        return (
            "<|im_start|>system\nRepresent the user's input.<|im_end|>\n"
            f"<|im_start|>user\n{VISION * pictures}{text or 'NULL' * (not pictures)}<|im_end|>\n<|im_start|>assistant\n"
        )

    model, _ = qwen3_vl(folder, model__="")
    return QwenEmbedder(QwenBody(folder, model, 4096, 1_843_200), lay, last_token)


def dse(folder: Path) -> Embedder:
    """The code of the model card, with the picture of nothing that texts have: 28 x 28 asked for as 1 x 1."""

    def lay(role: str, pictures: int, text: str) -> str:
        said = "What is shown in this image?" if pictures else f"{role.capitalize()}: {text}"
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\n{VISION}{said}<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
        )

    # qwen_vl_utils makes at least 56 x 56 of it.
    blank = PIL.Image.new("RGB", (28, 28)).resize((56, 56))
    return QwenEmbedder(QwenBody(folder, qwen2_vl(folder), 3136, 2560 * 784), lay, last_token, blank)


def colqwen3_tomoro(folder: Path) -> Embedder:
    """ColQwen3Processor of TomoroAI (processing_colqwen3.py), which reads texts of both roles alike."""

    def lay(role: str, pictures: int, text: str) -> str:
        if not pictures:
            return text + "<|endoftext|>" * 10
        own = f" {text}" if text else ""
        return f"<|im_start|>user\n{VISION}Describe the image.{own}<|im_end|><|endoftext|>"

    model, head = qwen3_vl(folder, vlm__model__="")
    body = QwenBody(folder, model, most=1280 * 1024)
    return QwenEmbedder(body, lay, lambda states: linear(states, head["embedding_proj_layer.weight"]))


def colqwen3_engine(folder: Path) -> Embedder:
    """ColQwen3 and ColQwen3Processor of colpali-engine 0.3.18."""
    model, head = qwen3_vl(folder)
    project = lambda states: linear(states, head["custom_text_proj.weight"], head["custom_text_proj.bias"])  # noqa: E731
    return QwenEmbedder(QwenBody(folder, model), engine_prompt, project)


def engine_prompt(role: str, pictures: int, text: str) -> str:
    """What colpali-engine 0.3.18 gives ColQwen2, ColQwen2.5 and ColQwen3 alike."""
    if pictures:
        return f"<|im_start|>user\n{VISION}Describe the image.<|im_end|><|endoftext|>"
    return text + "<|endoftext|>" * 10 if role == "query" else text


def colqwen3_ops(folder: Path) -> Embedder:
    """OpsColQwen3Model and its processor, which MTEB has, too: only the first `dims` of the projection count."""

    def lay(role: str, pictures: int, text: str) -> str:
        if pictures:
            return f"<|im_start|>user\n{VISION}Describe the image.<|im_end|><|im_start|>assistant\n<|endoftext|>"
        return f"Query: {text}" + "<|endoftext|>" * 10 if role == "query" else text

    model, head = qwen3_vl(folder)
    dims = settings_of(folder)["dims"]

    def project(states: Tensor) -> Tensor:
        return linear(states, head["custom_text_proj.weight"], head["custom_text_proj.bias"])[:, :dims]

    return QwenEmbedder(QwenBody(folder, model), lay, project)


class NemotronColEmbed(QwenBody):
    """Qwen3VLNemotronEmbedModel (modeling_qwen3_vl_nemotron_embed.py): attention both ways, and no last norm."""

    @torch.no_grad()
    def states(self, inputs: dict[str, Tensor]) -> Tensor:
        kept: list[Tensor] = []
        hook = self.model.language_model.norm.register_forward_pre_hook(lambda _, given: kept.append(given[0][0]))
        tokens = inputs["input_ids"].shape[1]
        grids = inputs.get("image_grid_thw")
        positions, _ = self.model.get_rope_index(inputs["input_ids"], inputs["mm_token_type_ids"], grids)
        inputs = inputs | {"attention_mask": torch.zeros(1, 1, tokens, tokens), "position_ids": positions}
        self.model(**inputs)
        hook.remove()
        return kept[0]


def colqwen3_nvidia(folder: Path) -> Embedder:
    """Its processor's `process_queries` and `process_documents`, through Qwen3-VL's chat template."""

    def lay(role: str, pictures: int, text: str) -> str:
        is_page = pictures or role == "document"
        said = f"{VISION * pictures}passage: {text}" if is_page else f"Query: query: {text}"
        return f"<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n"

    model, _ = qwen3_vl(folder, model__="")
    return QwenEmbedder(NemotronColEmbed(folder, model), lay, lambda states: states)


class Processed(Embedder):
    """A ...ForRetrieval of transformers with its processor, which reads a query, or a picture of a document.

    Its documents are pictures. One that is a text is only tokenised, as colpali-engine does with it.
    """

    def __init__(self, folder: Path, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer = tokenizer_of(folder)

    @property
    def reads_types(self) -> bool:
        """ColPali reads what is of type 0 both ways."""
        return isinstance(self.model, ColPaliForRetrieval)

    def _batch(self, role: str, content: Content) -> dict[str, Tensor]:
        pictures = pictures_of(content)
        if pictures:
            batch = self.processor.process_images(pictures)
        elif role == "query":
            batch = self.processor.process_queries([text_of(content)])
        else:
            batch = self.tokenizer([text_of(content)], return_tensors="pt", return_token_type_ids=self.reads_types)
        return {name: tensor for name, tensor in batch.items() if name != "labels"}

    def ids(self, role: str, content: Content) -> list[int]:
        ids: list[int] = self._batch(role, content)["input_ids"][0].tolist()
        return ids

    @torch.no_grad()
    def embed(self, role: str, content: Content) -> Floats:
        batch = self._batch(role, content)
        embeddings: Floats = self.model(**batch, **self._positions(batch)).embeddings[0].numpy()
        return embeddings

    def _positions(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {}


class ColQwen2(Processed):
    """Positions in two dimensions are given, as the class computed them itself until transformers 4.57.

    In 5.23 it numbers the tokens of pictures like those of texts unless it is told otherwise, which is not how
    ColQwen2 was trained: colpali-engine's class computes them as Qwen2-VL does.
    """

    def _positions(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        is_picture = (batch["input_ids"] == self.processor.image_token_id).int()
        positions, _ = self.model.vlm.get_rope_index(batch["input_ids"], is_picture, batch.get("image_grid_thw"))
        return {"position_ids": positions}


class EngineProcessor:
    """The prompts of colpali-engine 0.3.18 for ColQwen2 and ColQwen2.5; transformers' processor does the rest."""

    def __init__(self, folder: Path) -> None:
        most = min(settings_of(folder, "preprocessor_config.json")["max_pixels"], 768 * 784)
        self.body = QwenBody(folder, None, most=most)
        self.tokenizer = self.body.tokenizer
        self.image_token_id = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")

    def process_images(self, pictures: list[Picture]) -> dict[str, Tensor]:
        inputs = self.body.inputs(engine_prompt("document", 1, ""), pictures)
        del inputs["mm_token_type_ids"]
        return inputs | {"pixel_values": inputs["pixel_values"][None]}

    def process_queries(self, texts: list[str]) -> dict[str, Tensor]:
        inputs = self.body.inputs(engine_prompt("query", 0, texts[0]), [])
        del inputs["mm_token_type_ids"]
        return inputs


def colqwen2(folder: Path) -> Embedder:
    """transformers' layout, for ColQwen2.5, too."""
    images = Qwen2VLImageProcessorPil.from_pretrained(folder)
    processor = ColQwen2Processor(image_processor=images, tokenizer=tokenizer_of(folder))
    return ColQwen2(folder, ColQwen2ForRetrieval.from_pretrained(folder).eval(), processor)


def colqwen2_engine(folder: Path, weights: dict[str, Tensor] | None = None) -> Embedder:
    """colpali-engine's layout: the weights of Qwen2-VL or Qwen2.5-VL with a projection beside them."""
    weights = weights or load_file(folder / "model.safetensors")
    names = {"visual__": "vlm.visual.", "model__": "vlm.language_model.", "custom_text_proj__": "embedding_proj_layer."}
    settings = settings_of(folder)
    dimensions = len(weights["custom_text_proj.bias"])
    config = ColQwen2Config(vlm_config=settings, embedding_dim=dimensions)
    model = built(ColQwen2ForRetrieval, config, renamed(weights, **names))
    return ColQwen2(folder, model, EngineProcessor(folder))


def merged(adapter: Path, base: Path) -> dict[str, Tensor]:
    """A base's weights with an adapter's factors as peft adds them, in float64: W + alpha / r * B @ A."""
    settings = settings_of(adapter, "adapter_config.json")
    factors = load_file(adapter / "adapter_model.safetensors")
    weights = load_file(base / "model.safetensors")
    for name in list(weights):
        module = name.removesuffix(".weight").replace("language_model.model.", "language_model.")
        key = f"base_model.model.{module}.lora_A.weight"
        if key in factors:
            down, up = factors[key].double(), factors[key.replace("lora_A", "lora_B")].double()
            weights[name] = (weights[name].double() + settings["lora_alpha"] / settings["r"] * up @ down).float()
    return weights


def colqwen2_adapter(folder: Path) -> Embedder:
    base = folder.parent / "colqwen2-base"
    return colqwen2_engine(base, merged(folder, base))


def colpali(folder: Path) -> Embedder:
    """transformers' layout and processor."""
    images = SiglipImageProcessorPil.from_pretrained(folder)
    processor = ColPaliProcessor(image_processor=images, tokenizer=tokenizer_of(folder))
    return Processed(folder, ColPaliForRetrieval.from_pretrained(folder).eval(), processor)


class EngineColPaliProcessor:
    """ColPaliProcessor of colpali-engine 0.3.18: its words for PaliGemma's processor, which writes another "<bos>".

    Attention is both ways for texts, too, as it was in the transformers that ColPali was trained with.
    """

    def __init__(self, folder: Path) -> None:
        images = SiglipImageProcessorPil.from_pretrained(folder)
        self.processor = PaliGemmaProcessor(image_processor=images, tokenizer=tokenizer_of(folder))

    def process_images(self, pictures: list[Picture]) -> Any:
        return self.processor(text=["<image><bos>Describe the image."], images=pictures, return_tensors="pt")

    def process_queries(self, texts: list[str]) -> Any:
        prompt = "<bos>" + texts[0] + "<pad>" * 10
        return self.processor.tokenizer([prompt], return_tensors="pt", return_token_type_ids=True)


def colpali_engine(folder: Path, weights: dict[str, Tensor] | None = None) -> Embedder:
    weights = weights or load_file(folder / "model.safetensors")
    names = {
        "model__language_model__model__": "vlm.language_model.",
        "model__vision_tower__vision_model__": "vlm.vision_tower.",
        "model__multi_modal_projector__": "vlm.multi_modal_projector.",
        "custom_text_proj__": "embedding_proj_layer.",
    }
    dimensions = len(weights["custom_text_proj.bias"])
    config = ColPaliConfig(vlm_config=settings_of(folder), embedding_dim=dimensions)
    model = built(ColPaliForRetrieval, config, renamed(weights, **names))
    return Processed(folder, model, EngineColPaliProcessor(folder))


def colpali_adapter(folder: Path) -> Embedder:
    base = folder.parent / "colpaligemma-3b-pt-448-base"
    return colpali_engine(base, merged(folder, base))


def colmodernvbert(folder: Path) -> Embedder:
    """Its authors' merged layout in transformers' class, whose processor has colpali-engine's prompts."""
    settings = settings_of(folder)
    names = {
        "model__vision_model__vision_model__": "vlm.vision_model.",
        "model__custom_text_proj__": "embedding_proj_layer.",
        "model__": "vlm.",
    }
    weights = renamed(load_file(folder / "model.safetensors"), **names)
    config = ColModernVBertConfig(vlm_config=settings, embedding_dim=settings["embedding_dim"])
    return Processed(folder, built(ColModernVBertForRetrieval, config, weights), _modernvbert_processor(folder))


def colmodernvbert_nested(folder: Path) -> Embedder:
    return Processed(folder, ColModernVBertForRetrieval.from_pretrained(folder).eval(), _modernvbert_processor(folder))


def _modernvbert_processor(folder: Path) -> Any:
    return ColModernVBertProcessor(
        image_processor=Idefics3ImageProcessorPil.from_pretrained(folder),
        tokenizer=tokenizer_of(folder),
        image_seq_len=settings_of(folder, "processor_config.json")["image_seq_len"],
    )


class NemotronVL(Embedder):
    """The authors' modeling_llama_nemotron_vl.py and processing_llama_nemotron_vl.py: a SigLIP, a Llama, the mean."""

    def __init__(self, folder: Path, prefix: str) -> None:
        weights = load_file(folder / "model.safetensors")
        self.settings = settings_of(folder)
        self.weights = {name.removeprefix(prefix): weight for name, weight in weights.items()}
        vision, language = self.settings["vision_config"], self.settings["llm_config"] | {"model_type": "llama"}
        self.vision = built(
            SiglipVisionModel, SiglipVisionModel.config_class(**vision), self._part("vision_model.vision_model.")
        )
        self.language = built(LlamaModel, LlamaModel.config_class(**language), self._part("language_model."))
        self.tokenizer = tokenizer_of(folder)

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): w for name, w in self.weights.items() if name.startswith(prefix)}

    def _prompt(self, role: str, content: Content) -> str:
        text = text_of(content)
        if pictures_of(content):
            return f"passage: <image> {text}"
        return f"query: {text}" if role == "query" else f"passage: {text}"

    def inputs(self, prompt: str, pictures: Sequence[Picture]) -> tuple[list[int], Tensor | None]:
        """Token ids, and tiles float32 `[tiles, 3, side, side]`."""
        side = self.settings["force_image_size"]
        tiles = [tile for picture in pictures for tile in nemotron_tiles(picture, side, self.settings)]
        count = (side // self.settings["vision_config"]["patch_size"] // 2) ** 2
        written = f"<img>{'<IMG_CONTEXT>' * count * len(tiles)}</img>"
        ids: list[int] = self.tokenizer(prompt.replace("<image>", written))["input_ids"]
        arrays = [np.asarray(tile, np.float32).transpose(2, 0, 1) / 255 for tile in tiles]
        return ids, torch.tensor(np.stack(arrays) * 2 - 1) if tiles else None

    @torch.no_grad()
    def mean(self, prompt: str, pictures: Sequence[Picture]) -> Tensor:
        given, tiles = self.inputs(prompt, pictures)
        ids = torch.tensor([given])
        embeddings = self.language.get_input_embeddings()(ids)
        if tiles is not None:
            marked = ids == self.settings["img_context_token_id"]
            embeddings[marked] = self._connected(self.vision(tiles).last_hidden_state)
        # Every token attends to every other one.
        mask = torch.zeros(1, 1, len(given), len(given))
        states: Tensor = self.language(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state[0]
        return states.mean(dim=0)

    def _connected(self, patches: Tensor) -> Tensor:
        """The pixel shuffle of 2 x 2 patches, in its second version, and `mlp1`."""
        tiles, count, dim = patches.shape
        side = int(count**0.5)
        x = patches.view(tiles, side, side // 2, dim * 2).permute(0, 2, 1, 3)
        x = x.reshape(tiles, side // 2, side // 2, dim * 4).permute(0, 2, 1, 3).reshape(tiles, count // 4, dim * 4)
        w = self._part("mlp1.")
        x = torch.nn.functional.layer_norm(x, [dim * 4], w["0.weight"], w["0.bias"])
        x = torch.nn.functional.gelu(linear(x, w["1.weight"], w["1.bias"]))
        return linear(x, w["3.weight"], w["3.bias"]).flatten(0, 1)

    def ids(self, role: str, content: Content) -> list[int]:
        return self.inputs(self._prompt(role, content), pictures_of(content))[0]

    def embed(self, role: str, content: Content) -> Floats:
        return normalize(self.mean(self._prompt(role, content), pictures_of(content)), dim=-1).numpy()


def nemotron_tiles(picture: Picture, side: int, settings: dict[str, Any]) -> list[Picture]:
    """`dynamic_preprocess`: the grid that fits best by area and proportions, its tiles, and the whole picture."""
    most, (width, height) = settings["max_input_tiles"], picture.size
    grids = sorted(
        {(i, j) for n in range(1, most + 1) for i in range(1, n + 1) for j in range(1, n + 1) if i * j <= most},
        key=lambda grid: grid[0] * grid[1],
    )
    best, chosen = float("-inf"), (1, 1)
    for columns, rows in grids:
        proportion = (columns / rows) / (width / height)
        value = min(columns * rows * side**2 / (width * height), 0.6) * min(proportion, 1 / proportion)
        if value > best:
            best, chosen = value, (columns, rows)
    columns, rows = chosen
    large = picture.resize((side * columns, side * rows))
    corners = [(column * side, row * side) for row in range(rows) for column in range(columns)]
    tiles = [large.crop((left, top, left + side, top + side)) for left, top in corners]
    return tiles if len(tiles) == 1 else [*tiles, picture.resize((side, side))]


Logit = Callable[[Content, Content], float]


def jina_m0(folder: Path) -> Logit:
    """`compute_score` of jina-reranker-m0's modeling.py, layer by layer, before its sigmoid."""
    body = QwenBody(folder, qwen2_vl(folder), 3136, 602_112)
    weights = load_file(folder / "model.safetensors")

    def logit(query: Content, document: Content) -> float:
        sides = [VISION * len(pictures_of(side)) + text_of(side) for side in (document, query)]
        prompt = f"**Document**:\n{sides[0]}\n**Query**:\n{sides[1]}"
        inputs = body.inputs(prompt, [*pictures_of(document), *pictures_of(query)], end=[100])
        hidden = torch.relu(linear(body.states(inputs)[-1], weights["score.0.weight"], weights["score.0.bias"]))
        return float(linear(hidden, weights["score.2.weight"], weights["score.2.bias"])) - 2.65

    return logit


def qwen3_vl_reranker(folder: Path) -> Logit:
    """Qwen3VLReranker of https://github.com/QwenLM/Qwen3-VL-Embedding, by the language model's logits."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    body = QwenBody(folder, model, 4096, 1_843_200)
    no, yes = body.tokenizer.convert_tokens_to_ids(["no", "yes"])

    @torch.no_grad()
    def logit(query: Content, document: Content) -> float:
        sides = [VISION * len(pictures_of(side)) + text_of(side) or "NULL" for side in (query, document)]
        prompt = (
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
            'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
            "<Instruct>: Given a search query, retrieve relevant candidates that answer the query."
            f"<Query>:{sides[0]}\n<Document>:{sides[1]}<|im_end|>\n<|im_start|>assistant\n"
        )
        logits = model(**body.inputs(prompt, [*pictures_of(query), *pictures_of(document)])).logits[0, -1]
        return float(logits[yes] - logits[no])

    return logit


def nemotron_rerank_vl(folder: Path) -> Logit:
    """`LlamaNemotronVLForSequenceClassification` and the prompt "v1" of its processor."""
    model = NemotronVL(folder, "model.")

    def logit(query: Content, document: Content) -> float:
        pictures = pictures_of(document)
        prompt = f"{'<image> ' if pictures else ''}question:{text_of(query)} \n \n passage:{text_of(document)}"
        return float(linear(model.mean(prompt, pictures), model.weights["score.weight"]))

    return logit


def multi_vector(folder: Path, role: str, contents: Sequence[Content]) -> list[Floats]:
    """What sentence-transformers makes of a ...ForRetrieval's folder."""
    model = MultiVectorEncoder(str(folder), device="cpu")
    given: list[Any] = [content if isinstance(content, str) else pictures_of(content)[0] for content in contents]
    rows = model.encode_query(given) if role == "query" else model.encode_document(given)
    return [np.asarray(row) for row in rows]


EMBEDDERS: dict[str, Callable[[Path], Embedder]] = {
    "clip": lambda folder: TwoTowers(folder, CLIPModel, CLIPImageProcessorPil, padded=False),
    "clip-folder": SentenceTransformers,
    "siglip": lambda folder: TwoTowers(folder, SiglipModel, SiglipImageProcessorPil, padded=True),
    "siglip2": lambda folder: TwoTowers(folder, SiglipModel, SiglipImageProcessorPil, padded=True),
    "siglip2-naflex": lambda folder: TwoTowers(folder, Siglip2Model, Siglip2ImageProcessorPil, padded=True),
    "qwen3-vl-embedding": qwen3_embedding,
    "dse": dse,
    "nemotron-embed-vl": lambda folder: NemotronVL(folder, ""),
    "colpali": colpali,
    "colpali-engine": colpali_engine,
    "colpali-adapter": colpali_adapter,
    "colqwen2": colqwen2,
    "colqwen2.5": colqwen2,
    "colqwen2-engine": colqwen2_engine,
    "colqwen2.5-engine": colqwen2_engine,
    "colqwen2-adapter": colqwen2_adapter,
    "colqwen3": colqwen3_tomoro,
    "colqwen3-engine": colqwen3_engine,
    "colqwen3-ops": colqwen3_ops,
    "colqwen3-nvidia": colqwen3_nvidia,
    "colmodernvbert": colmodernvbert,
    "colmodernvbert-nested": colmodernvbert_nested,
}
RERANKERS: dict[str, Callable[[Path], Logit]] = {
    "jina-m0": jina_m0,
    "qwen3-vl-reranker": qwen3_vl_reranker,
    "nemotron-rerank-vl": nemotron_rerank_vl,
}
