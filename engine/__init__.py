"""ScoreRT's engine: relevance scores from an exported artifact, on ONNX Runtime alone."""

from .artifact import Manifest
from .engine import Engine
from .errors import (
    ArtifactError,
    InputTooLong,
    InvalidInput,
    ProviderError,
    ScoreRTError,
    UnsupportedTask,
)
from .results import Embeddings, Ranked, Ranking, Scores, TokenEmbeddings

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "Embeddings",
    "Engine",
    "InputTooLong",
    "InvalidInput",
    "Manifest",
    "ProviderError",
    "Ranked",
    "Ranking",
    "ScoreRTError",
    "Scores",
    "TokenEmbeddings",
    "UnsupportedTask",
]
