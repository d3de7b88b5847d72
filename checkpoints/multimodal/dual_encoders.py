"""Builds checkpoints with a tower for texts and one for pictures: CLIP, SigLIP and SigLIP2."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import CLIPModel, Siglip2Model, SiglipModel

from checkpoints.minilm import write_json
from checkpoints.multimodal.files import draw, token_ids, write_model, write_slow_tokenizer, write_tokenizer
from checkpoints.rerankers import gemma_tokenizer
from checkpoints.tiny import corpus

_TOWER = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}

_CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_RESCALED = {"do_rescale": True, "rescale_factor": 0.00392156862745098}


def clip(folder: Path) -> Path:
    """openai/clip-vit-base-patch32, with the id of its last token as later checkpoints have it."""
    ids = token_ids("clip")
    start, end = ids["<|startoftext|>"], ids["<|endoftext|>"]
    _write_clip(folder, {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}, seed=41)
    write_tokenizer(
        folder,
        "clip",
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        model_max_length=77,
    )
    settings: dict[str, Any] = _CLIP_COLOURS | _RESCALED
    settings |= {"crop_size": {"height": 64, "width": 64}, "size": {"shortest_edge": 64}, "resample": 3}
    settings |= dict.fromkeys(("do_center_crop", "do_convert_rgb", "do_normalize", "do_resize"), True)
    settings |= {"image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor"}
    write_json(folder / "preprocessor_config.json", settings)
    return folder


def clip_folder(folder: Path) -> Path:
    """sentence-transformers/clip-ViT-B-32: a folder of one module, with the files of transformers 4.8.

    Its configuration has the ids that CLIP was first published with, which are not those of its tokenizer; transformers
    then takes the highest id for the last token.
    """
    inner = folder / "0_CLIPModel"
    _write_clip(inner, {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}, seed=45)
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    written = {
        name: {"content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
        for name, token in special.items()
    }
    settings: dict[str, Any] = {name: token | {"__type": "AddedToken"} for name, token in written.items()}
    settings |= {"pad_token": "<|endoftext|>", "add_prefix_space": False, "errors": "replace", "do_lower_case": True}
    write_tokenizer(inner, "clip", **settings, model_max_length=77, tokenizer_class="CLIPTokenizer")
    write_slow_tokenizer(inner)
    (inner / "tokenizer.json").unlink()
    write_json(inner / "special_tokens_map.json", written | {"pad_token": "<|endoftext|>"})
    preprocessor = _CLIP_COLOURS | {"crop_size": 64, "size": 64, "resample": 3}
    preprocessor |= dict.fromkeys(("do_center_crop", "do_normalize", "do_resize"), True)
    write_json(inner / "preprocessor_config.json", preprocessor | {"feature_extractor_type": "CLIPFeatureExtractor"})
    kind = "sentence_transformers.models.CLIPModel"
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}])
    write_json(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.0.0"}})
    return folder


def siglip(folder: Path) -> Path:
    """google/siglip-base-patch16-224: texts are lower-cased, lose their punctuation and end with "</s>"."""
    tokenizer = _siglip_tokenizer()
    text = _TOWER | {"model_type": "siglip_text_model", "vocab_size": tokenizer.get_vocab_size()}
    vision = _TOWER | {"image_size": 64, "model_type": "siglip_vision_model", "patch_size": 16}
    _write_siglip(folder, text, vision, seed=42)
    special = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    settings = {"do_lower_case": True, "model_input_names": ["input_ids"], "model_max_length": 64}
    write_tokenizer(folder, tokenizer, **special, **settings, tokenizer_class="SiglipTokenizer")
    _write_siglip_preprocessor(folder, resample=3)
    return folder


def siglip2(folder: Path) -> Path:
    """google/siglip2-base-patch16-224: the model of SigLIP with the tokenizer of Gemma."""
    tokenizer = _siglip2_tokenizer()
    vocabulary = tokenizer.get_vocab_size()
    text = _TOWER | {"model_type": "siglip_text_model", "projection_size": 64, "vocab_size": vocabulary}
    vision = _TOWER | {"image_size": 64, "model_type": "siglip_vision_model", "patch_size": 16}
    _write_siglip(folder, text, vision, seed=43)
    write_tokenizer(folder, tokenizer, **_SIGLIP2_TOKENS)
    _write_siglip_preprocessor(folder, resample=2)
    return folder


def siglip2_naflex(folder: Path) -> Path:
    """google/siglip2-base-patch16-naflex: pictures keep their proportions, in at most 36 patches."""
    tokenizer = _siglip2_tokenizer()
    vocabulary = tokenizer.get_vocab_size()
    config = {
        "architectures": ["Siglip2Model"],
        "initializer_factor": 1.0,
        "model_type": "siglip2",
        "text_config": _TOWER | {"model_type": "siglip2_text_model", "projection_size": 64, "vocab_size": vocabulary},
        "torch_dtype": "float32",
        # A table of 6 x 6 positions.
        "vision_config": _TOWER | {"model_type": "siglip2_vision_model", "num_patches": 36, "patch_size": 16},
    }
    weights = draw(Siglip2Model, config, seed=44)
    write_model(folder, config, _read_more_than_padding(weights))
    write_tokenizer(folder, tokenizer, **_SIGLIP2_TOKENS)
    settings: dict[str, Any] = _HALVES | _RESCALED | {"max_num_patches": 36, "patch_size": 16, "resample": 2}
    settings |= {"do_convert_rgb": None, "do_normalize": True, "do_resize": True}
    settings |= {"image_processor_type": "Siglip2ImageProcessor", "processor_class": "Siglip2Processor"}
    write_json(folder / "preprocessor_config.json", settings)
    return folder


def _write_clip(folder: Path, special: dict[str, int], seed: int) -> None:
    projected = _TOWER | {"hidden_act": "quick_gelu", "projection_dim": 64}
    vocabulary = max(token_ids("clip").values()) + 1
    text = projected | {"max_position_embeddings": 77, "model_type": "clip_text_model", "vocab_size": vocabulary}
    config = {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": 64,
        "text_config": text | special,
        "text_config_dict": None,
        "torch_dtype": "float32",
        "vision_config": projected | {"image_size": 64, "model_type": "clip_vision_model", "patch_size": 16},
        "vision_config_dict": None,
    }
    weights = draw(CLIPModel, config, seed)
    weights["logit_scale"].fill_(4.6)
    write_model(folder, config, weights)


def _write_siglip(folder: Path, text: dict[str, Any], vision: dict[str, Any], seed: int) -> None:
    config = {
        "architectures": ["SiglipModel"],
        "initializer_factor": 1.0,
        "model_type": "siglip",
        "text_config": text,
        "torch_dtype": "float32",
        "vision_config": vision,
    }
    weights = draw(SiglipModel, config, seed)
    write_model(folder, config, _read_more_than_padding(weights))


def _read_more_than_padding(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sharpen the attention of the text tower, whose output is that of the last of 64 tokens, mostly padding."""
    for name, weight in weights.items():
        if name.startswith("text_model.") and name.endswith(("q_proj.weight", "k_proj.weight")):
            weight *= 3
    return weights


def _write_siglip_preprocessor(folder: Path, resample: int) -> None:
    settings: dict[str, Any] = _HALVES | _RESCALED | {"size": {"height": 64, "width": 64}, "resample": resample}
    settings |= {"do_convert_rgb": None, "do_normalize": True, "do_resize": True}
    settings |= {"image_processor_type": "SiglipImageProcessor", "processor_class": "SiglipProcessor"}
    write_json(folder / "preprocessor_config.json", settings)


def _siglip_tokenizer() -> Tokenizer:
    """Unigram as T5's, over texts prepared as `SiglipTokenizer` of transformers does.

    Its pieces are letters and the most frequent words: a trainer's scores would differ from one run to the next.
    """
    normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    words = Counter(f"▁{word}" for text in corpus() for word in normalizer.normalize_str(text).split())
    frequencies = Counter(letter for word in words.elements() for letter in word) | Counter(
        dict(words.most_common(500))
    )
    total = frequencies.total()
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [(piece, math.log(frequency / total)) for piece, frequency in sorted(frequencies.items())]
    tokenizer = Tokenizer(models.Unigram(special + pieces, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([token for token, _ in special])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def _siglip2_tokenizer() -> Tokenizer:
    tokenizer: Tokenizer = gemma_tokenizer().backend_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return tokenizer


_SIGLIP2_TOKENS: dict[str, Any] = {
    "add_bos_token": False,
    "add_eos_token": True,
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "model_input_names": ["input_ids"],
    "model_max_length": 64,
    "pad_token": "<pad>",
    "padding_side": "right",
    "tokenizer_class": "GemmaTokenizer",
    "unk_token": "<unk>",
}
