"""Cuts embeddings to fewer dimensions (Matryoshka representation learning, https://arxiv.org/abs/2205.13147)."""

from ..arguments import whole
from ..arrays import Floats
from ..artifact.artifact import Manifest
from ..errors import InvalidInput
from .similarity import normalized


def check(manifest: Manifest, dimensions: int | None) -> None:
    """Raises `InvalidInput` for a size that is neither the model's own nor one that it was trained to be cut to."""
    sizes, dimensions = manifest.matryoshka, whole(dimensions, "dimensions")
    if dimensions in (None, manifest.dimension):
        return
    if sizes is None:
        raise InvalidInput("dimensions cuts the embeddings of Matryoshka models, and this is none: leave it out.")
    full = manifest.dimension or dimensions
    if not (dimensions in (*sizes, full) or (not sizes and 1 <= dimensions <= full)):
        wanted = f"one of {', '.join(map(str, sizes))}" if sizes else f"from 1 to {full}"
        raise InvalidInput(f"dimensions must be {wanted} for this model, not {dimensions}.", "dimensions")


def cut(manifest: Manifest, embeddings: Floats, dimensions: int | None) -> Floats:
    """The first `dimensions` of embeddings `[texts, dim]`, normalised anew where the model normalises; None: all."""
    if dimensions in (None, embeddings.shape[1]):
        return embeddings
    embeddings = embeddings[:, :dimensions]
    return normalized(embeddings) if manifest.normalized else embeddings
