"""Lists the families of checkpoints that export knows, one row each, and what is special about the bodies they share.

Other places hold what a row cannot say: `checkpoint.published` translates the settings of families whose authors have
names of their own for them, and the readers of this folder find heads, prompts and markings in a checkpoint's files.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.score_types import ScoreTypeName

from ..errors import ExportError

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Reranker:
    """A language model that scores a pair by the token it would write next.

    The files of such a checkpoint are those of any language model, so `named` is a regular expression for its name.
    `tokens` are (false, true), or (true,) alone: the logit is the true token's, less the false one's, times `scale`.
    `template` is a file of `templates/`, the prompt the model was trained with.
    """

    named: str
    tokens: tuple[str, ...]
    template: str
    scale: float = 1.0


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint. `name` is also that of its tiny checkpoint in the tests.

    `architecture` is what its `config.json` says; `body` is the `model_type` of the transformers class that runs it.
    """

    name: str
    score_type: ScoreTypeName
    architecture: str
    body: str
    example: str
    reranker: Reranker | None = None
    template: str | None = None


_QWEN3_RERANKER = Reranker(r"qwen3[-_]reranker", ("no", "yes"), "qwen3-reranker.jinja")
_MXBAI_RERANK_V2 = Reranker(r"mxbai[-_]rerank[-_]\w+[-_]v2", ("0", "1"), "mxbai-rerank-v2.jinja")
_BGE_GEMMA = Reranker(r"bge[-_]reranker[-_]v2[-_]gemma", ("Yes",), "bge-reranker-v2-gemma.jinja")
# zerank's own modelling code divides the logit by 5.
_ZERANK = Reranker(r"zerank", ("Yes",), "zerank.jinja", scale=0.2)

_CROSS: ScoreTypeName = "cross-encoder"
_LATE: ScoreTypeName = "late-interaction"
_BI: ScoreTypeName = "bi-encoder"

BY_NAME = "link to the folder by the name that its model was published under (`ln -s FOLDER Qwen3-Reranker-0.6B`)"
"""What works for a checkpoint that is known by its name alone."""

# fmt: off
FAMILIES = (
    Family("bert", _CROSS, "BertForSequenceClassification", "bert", "cross-encoder/ms-marco-MiniLM-L6-v2"),
    Family("roberta", _CROSS, "RobertaForSequenceClassification", "roberta", "cross-encoder/quora-roberta-base"),
    Family("xlm-roberta", _CROSS, "XLMRobertaForSequenceClassification", "xlm-roberta", "BAAI/bge-reranker-v2-m3"),
    Family("modernbert", _CROSS, "ModernBertForSequenceClassification", "modernbert",
           "Alibaba-NLP/gte-reranker-modernbert-base"),
    Family("deberta-v2", _CROSS, "DebertaV2ForSequenceClassification", "deberta-v2",
           "mixedbread-ai/mxbai-rerank-base-v1"),
    Family("distilbert", _CROSS, "DistilBertForSequenceClassification", "distilbert", ""),
    Family("mpnet", _CROSS, "MPNetForSequenceClassification", "mpnet", ""),
    Family("gte-reranker", _CROSS, "NewForSequenceClassification", "gte",
           "Alibaba-NLP/gte-multilingual-reranker-base"),
    Family("nemotron-rerank", _CROSS, "LlamaBidirectionalForSequenceClassification", "llama",
           "nvidia/llama-nemotron-rerank-1b-v2", template="nemotron-rerank.jinja"),
    Family("bge-reranker-v2-gemma", _CROSS, "GemmaForCausalLM", "gemma", "BAAI/bge-reranker-v2-gemma", _BGE_GEMMA),
    Family("mxbai-rerank-v2", _CROSS, "Qwen2ForCausalLM", "qwen2", "mixedbread-ai/mxbai-rerank-base-v2",
           _MXBAI_RERANK_V2),
    Family("qwen3-reranker", _CROSS, "Qwen3ForCausalLM", "qwen3", "Qwen/Qwen3-Reranker-0.6B", _QWEN3_RERANKER),
    Family("qwen3-reranker-seq-cls", _CROSS, "Qwen3ForSequenceClassification", "qwen3",
           "tomaarsen/Qwen3-Reranker-0.6B-seq-cls", _QWEN3_RERANKER),
    Family("zerank", _CROSS, "Qwen3ForCausalLM", "qwen3", "zeroentropy/zerank-2", _ZERANK),
    Family("cross-encoder-folder", _CROSS, "modules.json with a LogitScore", "qwen3",
           "cross-encoder-testing/Qwen3-Reranker-0.6B-STv6"),
    Family("colbert", _LATE, "HF_ColBERT", "bert", "colbert-ir/colbertv2.0"),
    Family("pylate", _LATE, "BertModel (PyLate)", "bert", "lightonai/colbertv2.0"),
    Family("modern-colbert", _LATE, "ColBERTModernBertModel", "modernbert", "lightonai/GTE-ModernColBERT-v1"),
    Family("jina-colbert", _LATE, "ColBERTJinaRobertaModel", "jina_embeddings_v3", "jinaai/jina-colbert-v2"),
    Family("lfm2-colbert", _LATE, "ColBERTLfm2Model", "lfm2", "LiquidAI/LFM2-ColBERT-350M"),
    Family("bge-m3", _LATE, "XLMRobertaModel", "xlm-roberta", "BAAI/bge-m3"),
    Family("embedder", _LATE, "any bi-encoder", "bert", "sentence-transformers/all-MiniLM-L6-v2"),
    Family("bert-embedder", _BI, "BertModel", "bert", "BAAI/bge-small-en-v1.5"),
    Family("mpnet-embedder", _BI, "MPNetModel", "mpnet", "sentence-transformers/all-mpnet-base-v2"),
    Family("e5", _BI, "XLMRobertaModel", "xlm-roberta", "intfloat/multilingual-e5-base"),
    Family("modernbert-embedder", _BI, "ModernBertModel", "modernbert", "Alibaba-NLP/gte-modernbert-base"),
    Family("gte-embedder", _BI, "NewModel", "gte", "Alibaba-NLP/gte-multilingual-base"),
    Family("nomic", _BI, "NomicBertModel", "nomic_bert", "nomic-ai/nomic-embed-text-v1.5"),
    Family("jina-v3", _BI, "XLMRobertaModel (LoRA)", "jina_embeddings_v3", "jinaai/jina-embeddings-v3"),
    Family("embedding-gemma", _BI, "Gemma3TextModel", "gemma3_text", "google/embeddinggemma-300m"),
    Family("qwen3-embedding", _BI, "Qwen3ForCausalLM", "qwen3", "Qwen/Qwen3-Embedding-0.6B"),
    Family("e5-mistral", _BI, "MistralModel", "mistral", "intfloat/e5-mistral-7b-instruct"),
    Family("nemotron-embed", _BI, "LlamaBidirectionalModel", "llama", "nvidia/llama-nemotron-embed-1b-v2"),
)

MULTIMODAL = (
    Family("jina-m0", _CROSS, "JinaVLForRanking", "qwen2_vl", "jinaai/jina-reranker-m0",
           template="jina-reranker-m0.jinja"),
    Family("qwen3-vl-reranker", _CROSS, "Qwen3VLForConditionalGeneration", "qwen3_vl", "Qwen/Qwen3-VL-Reranker-2B",
           template="qwen3-vl-reranker.jinja"),
    Family("nemotron-rerank-vl", _CROSS, "LlamaNemotronVLForSequenceClassification", "llama_nemotron_vl",
           "nvidia/llama-nemotron-rerank-vl-1b-v2", template="nemotron-rerank-vl.jinja"),
    Family("colpali", _LATE, "ColPaliForRetrieval", "paligemma", "vidore/colpali-v1.3-hf"),
    Family("colpali-engine", _LATE, "ColPali", "paligemma", "vidore/colpali-v1.3-merged"),
    Family("colpali-adapter", _LATE, "ColPali (LoRA)", "paligemma", "vidore/colpali-v1.3"),
    Family("colqwen2", _LATE, "ColQwen2ForRetrieval", "qwen2_vl", "vidore/colqwen2-v1.0-hf"),
    Family("colqwen2.5", _LATE, "ColQwen2ForRetrieval", "qwen2_5_vl", ""),
    Family("colqwen2-engine", _LATE, "ColQwen2", "qwen2_vl", "vidore/colqwen2-v1.0-merged"),
    Family("colqwen2.5-engine", _LATE, "ColQwen2_5", "qwen2_5_vl", ""),
    Family("colqwen2-adapter", _LATE, "ColQwen2 (LoRA)", "qwen2_vl", "vidore/colqwen2-v1.0"),
    Family("colqwen3", _LATE, "ColQwen3", "qwen3_vl", "TomoroAI/tomoro-colqwen3-embed-4b"),
    Family("colqwen3-engine", _LATE, "ColQwen3 (colpali-engine)", "qwen3_vl", ""),
    Family("colqwen3-ops", _LATE, "OpsColQwen3Model", "qwen3_vl", "OpenSearch-AI/Ops-Colqwen3-4B"),
    Family("colqwen3-nvidia", _LATE, "Qwen3VLNemotronEmbedModel", "qwen3_vl", "nvidia/nemotron-colembed-vl-4b-v2"),
    Family("colmodernvbert", _LATE, "ColModernVBertForRetrieval", "modernvbert", "ModernVBERT/colmodernvbert-merged"),
    Family("colmodernvbert-nested", _LATE, "ColModernVBertForRetrieval (nested)", "modernvbert", ""),
    Family("clip", _BI, "CLIPModel", "clip", "openai/clip-vit-base-patch32"),
    Family("siglip", _BI, "SiglipModel", "siglip", "google/siglip-base-patch16-224"),
    Family("siglip2", _BI, "SiglipModel", "siglip", "google/siglip2-base-patch16-224"),
    Family("siglip2-naflex", _BI, "Siglip2Model", "siglip2", "google/siglip2-base-patch16-naflex"),
    Family("qwen3-vl-embedding", _BI, "Qwen3VLForConditionalGeneration", "qwen3_vl", "Qwen/Qwen3-VL-Embedding-2B"),
    Family("nemotron-embed-vl", _BI, "LlamaNemotronVLModel", "llama_nemotron_vl",
           "nvidia/llama-nemotron-embed-vl-1b-v2"),
    Family("clip-folder", _BI, "modules.json with a CLIPModel", "clip", "sentence-transformers/clip-ViT-B-32"),
    Family("dse", _BI, "Qwen2VLForConditionalGeneration", "qwen2_vl", "MrLight/dse-qwen2-2b-mrl-v1"),
)
"""Families whose models read pictures, too."""
# fmt: on

# Bodies whose first token has the position `pad_token_id + 1`, so that many rows of the position table go unused.
_POSITIONS_AFTER_PADDING = frozenset({"mpnet", "roberta", "xlm-roberta"})
# Bodies that were language models: a pair's classifier reads their last token.
_DECODERS = frozenset({"gemma", "gemma3_text", "lfm2", "llama", "mistral", "qwen2", "qwen3"})


def require_known(native: dict[str, Any], architecture: str) -> None:
    """Raise `ExportError` for a body that is not in the table; `native` is as `published.native_config` gives it."""
    bodies = sorted({family.body for family in (*FAMILIES, *MULTIMODAL)})
    if not isinstance(native.get("model_type"), str):
        raise ExportError("The checkpoint's config.json names no model_type: give the folder of a whole checkpoint.")
    if native["model_type"] not in bodies:
        raise ExportError(
            f"{architecture or 'This checkpoint'} has the model type '{native['model_type']}', which ScoreRT cannot "
            f"export; it exports {', '.join(bodies)} (see `python -m export --list`): give another, or correct "
            "config.json."
        )


def is_decoder(native: dict[str, Any]) -> bool:
    """Whether a body was a language model, which reads from left to right unless its configuration says otherwise."""
    return native.get("model_type") in _DECODERS


def max_positions(native: dict[str, Any]) -> int:
    """The longest sequence a body's positions allow, special tokens included."""
    native = native.get("text_config") or native
    positions = int(native.get("max_position_embeddings", 512))
    if native.get("model_type") in _POSITIONS_AFTER_PADDING:
        return positions - int(native.get("pad_token_id", 1)) - 1
    return positions


def reranker_of(names: Sequence[str], body: str, tokens: Sequence[str] | None) -> Reranker | None:
    """The row of a language model that reranks: by what it is called, or else by the tokens it answers with."""
    rows = list(dict.fromkeys(family.reranker for family in FAMILIES if family.reranker and family.body == body))
    for row in rows:
        if any(re.search(row.named, name, re.IGNORECASE) for name in names):
            return row
    return next((row for row in rows if tokens is not None and row.tokens == tuple(tokens)), None)


def template_of(architecture: str) -> str | None:
    """The built-in score template of an architecture that is prompted and has a classifier of its own."""
    names = (family.template for family in FAMILIES if family.architecture == architecture and family.template)
    return next((read_template(name) for name in names), None)


def read_template(name: str) -> str:
    """The text of a built-in score template."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")
