"""Writes the tokenizer and the image processors that all Qwen-VL checkpoints have."""

from pathlib import Path
from typing import Any

from checkpoints.minilm import write_json
from checkpoints.multimodal.files import token_ids, write_slow_tokenizer, write_tokenizer

VOCABULARY = 448
"""Rows of the embedding table, which has more than the tokenizer has tokens."""

IDS = token_ids("qwen")

_CONTROL = [token for token in sorted(IDS, key=lambda token: IDS[token]) if token.startswith("<|")]
_CHAT_TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{ message.content }}{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part.type == 'video' %}{{ '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- else %}{{ part.text }}{%- endif %}{%- endfor %}{%- endif %}{{ '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)


def write_qwen_tokenizer(folder: Path) -> None:
    """Write byte-level BPE of 400 tokens, among them "yes" and "no", and Qwen's control tokens after them."""
    whole = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    write_tokenizer(
        folder,
        "qwen",
        add_prefix_space=False,
        added_tokens_decoder={str(IDS[token]): {"content": token} | whole for token in _CONTROL},
        bos_token=None,
        clean_up_tokenization_spaces=False,
        eos_token="<|im_end|>",
        errors="replace",
        model_max_length=32768,
        pad_token="<|endoftext|>",
        split_special_tokens=False,
        tokenizer_class="Qwen2Tokenizer",
        unk_token=None,
    )
    write_slow_tokenizer(folder)


def write_chat_template(folder: Path, in_json: bool = False) -> None:
    """Write a template that sets pictures where a message has them. Older checkpoints keep it in a JSON file."""
    if in_json:
        write_json(folder / "chat_template.json", {"chat_template": _CHAT_TEMPLATE})
    else:
        (folder / "chat_template.jinja").write_text(_CHAT_TEMPLATE, encoding="utf-8")


def write_qwen2_preprocessor(folder: Path, processor: str = "Qwen2VLProcessor", **settings: Any) -> None:
    """Write the image processor of Qwen2-VL and Qwen2.5-VL: at most 100 tokens a picture, each of 28 x 28 pixels."""
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "Qwen2VLImageProcessor",
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "max_pixels": 78400,
            "merge_size": 2,
            "min_pixels": 3136,
            "patch_size": 14,
            "processor_class": processor,
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"longest_edge": 78400, "shortest_edge": 3136},
            "temporal_patch_size": 2,
        }
        | settings,
    )


def write_qwen3_preprocessors(folder: Path, processor: str = "Qwen3VLProcessor") -> None:
    """Write the processors of Qwen3-VL for pictures, at most 64 tokens of 32 x 32 pixels, and for videos."""
    shared = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "merge_size": 2,
        "patch_size": 16,
        "processor_class": processor,
        "temporal_patch_size": 2,
    }
    image = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"longest_edge": 65536, "shortest_edge": 4096},
    }
    video = {"video_processor_type": "Qwen3VLVideoProcessor", "size": {"longest_edge": 262144, "shortest_edge": 4096}}
    write_json(folder / "preprocessor_config.json", shared | image)
    write_json(folder / "video_preprocessor_config.json", shared | video)
