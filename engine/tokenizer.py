"""Text to token ids, with the `tokenizers` library alone."""

from collections.abc import Sequence
from pathlib import Path

import tokenizers


class Tokenizer:
    """An artifact's tokenizer. Thread-safe: the Rust side takes no lock while it encodes."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        # Layouts and truncation are the manifest's business, applied to ids.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's token ids without special tokens around them; equal texts are tokenised once."""
        distinct = list(dict.fromkeys(texts))
        encodings = self._tokenizer.encode_batch_fast(distinct, add_special_tokens=False)
        ids = {text: encoding.ids for text, encoding in zip(distinct, encodings, strict=True)}
        return [ids[text] for text in texts]
