"""ScoreRT's engine: relevance scores from an exported artifact, on ONNX Runtime alone."""

from .artifact import Manifest, Role, ScoreType
from .engine import Engine
from .errors import (
    ArtifactError,
    Cancelled,
    DeadlineExceeded,
    InputTooLong,
    InvalidDocuments,
    InvalidIndex,
    InvalidInput,
    ProviderError,
    QueueFull,
    ScoreRTError,
    UnsupportedTask,
)
from .index.files import read_index_manifest
from .index.index import Index
from .job import Job
from .results import Classes, Embeddings, Ranked, Ranking, Scores, TokenEmbeddings, TokenSimilarity
from .runtime.scheduler import Batch, Waiting
from .text.tokenizer import Token
from .vectors.cache import DEFAULT_CACHE_BYTES, CacheUse
from .vectors.stored import STORES, Store

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_CACHE_BYTES",
    "STORES",
    "ArtifactError",
    "Batch",
    "CacheUse",
    "Cancelled",
    "Classes",
    "DeadlineExceeded",
    "Embeddings",
    "Engine",
    "Index",
    "InputTooLong",
    "InvalidDocuments",
    "InvalidIndex",
    "InvalidInput",
    "Job",
    "Manifest",
    "ProviderError",
    "QueueFull",
    "Ranked",
    "Ranking",
    "Role",
    "ScoreRTError",
    "ScoreType",
    "Scores",
    "Store",
    "Token",
    "TokenEmbeddings",
    "TokenSimilarity",
    "UnsupportedTask",
    "Waiting",
    "read_index_manifest",
]
