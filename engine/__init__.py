"""ScoreRT's engine: relevance scores from an exported artifact, on ONNX Runtime alone."""

from .artifact import Manifest
from .engine import Engine
from .errors import (
    ArtifactError,
    Cancelled,
    DeadlineExceeded,
    InputTooLong,
    InvalidInput,
    ProviderError,
    QueueFull,
    ScoreRTError,
    UnsupportedTask,
)
from .job import Job
from .results import Embeddings, Ranked, Ranking, Scores, TokenEmbeddings
from .scheduler import Batch, Waiting

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "Batch",
    "Cancelled",
    "DeadlineExceeded",
    "Embeddings",
    "Engine",
    "InputTooLong",
    "InvalidInput",
    "Job",
    "Manifest",
    "ProviderError",
    "QueueFull",
    "Ranked",
    "Ranking",
    "ScoreRTError",
    "Scores",
    "TokenEmbeddings",
    "UnsupportedTask",
    "Waiting",
]
