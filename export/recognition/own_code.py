"""Refuses or names what scores may depend on and transformers does not read: a checkpoint's own code and settings.

Families whose code is known are translated in `checkpoint.published`, or read as models of pictures.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ..checkpoint.files import Checkpoint
from ..checkpoint.modules import read_modules
from ..checkpoint.published import is_translated
from ..errors import ExportError
from .families import FAMILIES, MULTIMODAL, is_decoder

_OWN_CLASSES = {family.architecture.split(" ")[0] for family in (*FAMILIES, *MULTIMODAL)} - {*dir(transformers)}

# Settings that no score depends on: what files and tools are called, how training went and words were generated, how
# fast attention is, what ScoreRT or sentence-transformers reads, what older classes had and made nothing of, and sizes
# of weights, which are refused where they have others.
_HARMLESS = {
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "_sliding_window_pattern",
    "adapters", "architectures", "attn_implementation", "auto_map", "bad_words_ids", "begin_suppress_tokens",
    "bos_token", "classifier_from_token", "custom_pipelines", "directionality", "diversity_penalty", "do_sample",
    "early_stopping", "emb_size", "embedding_size", "encoder_no_repeat_ngram_size", "eos_token",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
    "gradient_checkpointing", "hidden_size", "id2label", "intermediate_size", "is_causal", "is_matryoshka",
    "is_original_qwen3_reranker", "label2id", "language", "length_penalty", "matryoshka_dimensions", "max_length",
    "max_position_embeddings", "max_window_layers", "method", "min_length", "model_max_length", "model_type",
    "name_or_path", "no_repeat_ngram_size", "norm_bias", "num_beam_groups", "num_beams", "num_hidden_layers",
    "num_labels", "num_return_sequences", "output_attentions", "output_past", "output_scores", "pad_token",
    "padding_side", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
    "pooler_type", "position_embedding_type", "prefix", "pretraining_tp", "quantization_config", "reference_compile",
    "remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "sbert_ce_default_activation_function",
    "sentence_transformers", "sliding_window", "summary_activation", "summary_first_dropout", "summary_last_dropout",
    "summary_type", "summary_use_proj", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
    "tie_encoder_decoder", "tie_weights_", "tie_word_embeddings", "tokenizer_class", "top_k", "top_p", "torch_dtype",
    "torchscript", "transformers_version", "trust_remote_code", "type_vocab_size", "typical_p", "unsloth_fixed",
    "unsloth_version", "use_bfloat16", "use_cache", "use_flash_attn", "use_return_dict", "vocab_size",
}  # fmt: skip
# Of training, too: what is left out of it at random, and what weights were before it.
_OF_TRAINING = re.compile(r"dropout|_pdrop$|^(embd|attn|resid)_drop$|layerdrop|^initializer_|label_smoothing")
_MOST_NAMED = 8


def require_known(checkpoint: Checkpoint, architecture: str) -> list[str]:
    """Sentences on settings that are passed over. Raises `ExportError` for what certainly makes other scores."""
    config = checkpoint.config
    is_known = not architecture or architecture in _OWN_CLASSES or architecture in dir(transformers)
    if not is_known and not is_translated(config) and not architecture.startswith("ColBERT"):
        raise ExportError(
            f"{architecture} is no class of transformers, and no family's that ScoreRT knows (see `python -m export "
            "--list`), but config.json or adapter_config.json names it: where a class of transformers computes the "
            'same, name that (--hf-overrides \'{"architectures": ["..."]}\').'
        )
    if _is_code_known(checkpoint):
        return []
    _refuse_own_code(checkpoint)
    kind = config.name("position_embedding_type") or "absolute"
    if kind != "absolute":
        raise ExportError(
            f"The checkpoint's config.json has position_embedding_type {kind!r}, which transformers' class for "
            f"{config['model_type']} does not have: {_GRAPHS}."
        )
    return [*_passed_over(checkpoint)]


def _is_code_known(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint is of a family whose authors' own code is known here."""
    return is_translated(checkpoint.config) or checkpoint.architecture in _OWN_CLASSES


def require_published_modules(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` for a module of somebody's own, which may compute anything whatever it is called."""
    # A first module of a family whose code is known is part of that.
    for module in read_modules(checkpoint.root)[1 if _is_code_known(checkpoint) else 0 :]:
        if not module.is_published:
            raise ExportError(
                f"The folder's modules.json has the module {module.type}, which is neither sentence-transformers' nor "
                f"PyLate's and is not run: where sentence_transformers.models.{module.kind} computes the same, name "
                "that in its place."
            )


_GRAPHS = "if it was published with ONNX graphs, import those with --from-onnx"


def _refuse_own_code(checkpoint: Checkpoint) -> None:
    config = checkpoint.config
    code = {name: str(place) for name, place in config.section("auto_map").items() if name != "AutoTokenizer"}
    # What is said of the direction of attention is what such code is for, and transformers follows it.
    if not code or (is_decoder(checkpoint.native) and config.get("is_causal") is False):
        return
    same = '{"auto_map": null}'
    both = ', or \'{"auto_map": null, "is_causal": false}\' where it attends to later tokens too'
    raise ExportError(
        f"The checkpoint has code of its own (auto_map: {next(iter(code.values()))}), which is not run, and its scores "
        f"may be others without it: say --hf-overrides '{same}' where transformers' own class computes the same"
        f"{both if is_decoder(checkpoint.native) else ''}; {_GRAPHS}."
    )


def _passed_over(checkpoint: Checkpoint) -> Iterator[str]:
    """What is set and not read, of the body and of the tokenizer."""
    own = CONFIG_MAPPING[checkpoint.native["model_type"]]
    # Classes read some settings that they do not declare, so that only their text says which those are.
    source = "".join(path.read_text(encoding="utf-8") for path in Path(inspect.getfile(own)).parent.glob("*.py"))
    known = {*vars(own()), *own.attribute_map, *re.findall(r"\w+", source), *_HARMLESS}
    if "rope_parameters" in known:
        known |= {"rope_scaling", "rope_theta"}
    strange = [
        f"{name} {value!r}"
        for name, value in checkpoint.config.items()
        if name not in known and value not in (None, False, [], {})
        if not name.endswith("_token_id") and not _OF_TRAINING.search(name)
    ]
    if strange:
        more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
        yield (
            f"{own.__name__} of transformers does not read these settings of config.json, so scores are those without "
            f"them: {_short(strange[:_MOST_NAMED])}{more}."
        )
    if checkpoint.json("tokenizer_config.json").section("auto_map").get("AutoTokenizer"):
        yield (
            "The checkpoint's tokenizer has code of its own (auto_map in tokenizer_config.json), which is not run: "
            "compare some scores with the original's."
        )


def _short(settings: list[str]) -> str:
    return ", ".join(setting if len(setting) <= 60 else f"{setting[:57]}..." for setting in settings)
