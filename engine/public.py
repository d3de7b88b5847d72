"""Names what the engine is to its callers; `from engine import …` finds it here."""

from .arguments import LONG_DOCUMENTS, LongDocuments, QueryArguments, ScoreArguments, TextArguments
from .arrays import Floats
from .artifact.artifact import Manifest, Role
from .artifact.manifest import decode_manifest, read_manifest
from .artifact.precisions import PRECISIONS
from .content import Content, Text, text_of
from .engine import Engine
from .errors import (
    ArtifactError,
    Cancelled,
    DeadlineExceeded,
    EngineClosed,
    InputTooLong,
    InvalidDocuments,
    InvalidIndex,
    InvalidInput,
    NotInstalled,
    ProviderError,
    QueueFull,
    ScoreRTError,
    UnsupportedTask,
)
from .images.data_urls import data_url_bytes
from .images.decode import FORMATS as IMAGE_FORMATS
from .images.decode import MOST_PIXELS as MOST_IMAGE_PIXELS
from .images.decode import ImageLimits
from .images.decode import decode as decode_image
from .images.image import Image
from .index.files import read_index_manifest
from .index.index import Index
from .job import Job
from .results import Box, Chunk, Chunks, Classes, Embeddings, Ranked, Ranking, Scores, TokenEmbeddings, TokenSimilarity
from .runtime.machine.cores import cores
from .runtime.scheduler import Waiting
from .runtime.workers import Batch
from .score_types import BI_ENCODER, CROSS_ENCODER, LATE_INTERACTION, ScoreType, ScoreTypeName, Task
from .text.chunking import DEFAULT_CHUNKS, DEFAULT_OVERLAP
from .text.surrogates import without_surrogates
from .text.tokenizer import Token
from .vectors.cache import DEFAULT_CACHE_BYTES, CacheUse
from .vectors.similarity import normalized, sigmoid, similarity
from .vectors.stored import STORES, Store

__all__ = [
    "BI_ENCODER",
    "CROSS_ENCODER",
    "DEFAULT_CACHE_BYTES",
    "DEFAULT_CHUNKS",
    "DEFAULT_OVERLAP",
    "IMAGE_FORMATS",
    "LATE_INTERACTION",
    "LONG_DOCUMENTS",
    "MOST_IMAGE_PIXELS",
    "PRECISIONS",
    "STORES",
    "ArtifactError",
    "Batch",
    "Box",
    "CacheUse",
    "Cancelled",
    "Chunk",
    "Chunks",
    "Classes",
    "Content",
    "DeadlineExceeded",
    "Embeddings",
    "Engine",
    "EngineClosed",
    "Floats",
    "Image",
    "ImageLimits",
    "Index",
    "InputTooLong",
    "InvalidDocuments",
    "InvalidIndex",
    "InvalidInput",
    "Job",
    "LongDocuments",
    "Manifest",
    "NotInstalled",
    "ProviderError",
    "QueryArguments",
    "QueueFull",
    "Ranked",
    "Ranking",
    "Role",
    "ScoreArguments",
    "ScoreRTError",
    "ScoreType",
    "ScoreTypeName",
    "Scores",
    "Store",
    "Task",
    "Text",
    "TextArguments",
    "Token",
    "TokenEmbeddings",
    "TokenSimilarity",
    "UnsupportedTask",
    "Waiting",
    "cores",
    "data_url_bytes",
    "decode_image",
    "decode_manifest",
    "normalized",
    "read_index_manifest",
    "read_manifest",
    "sigmoid",
    "similarity",
    "text_of",
    "without_surrogates",
]
