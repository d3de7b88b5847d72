"""Asks a running server through Hugging Face's own client: `pip install huggingface_hub`.

python -m api &
python -m examples.with_huggingface http://127.0.0.1:8000
"""

import sys

from huggingface_hub import InferenceClient

QUERY = "What is the capital of France?"
SENTENCES = ["Cows eat grass.", "Paris is the capital of France."]


def main(url: str) -> None:
    # It speaks text-embeddings-inference's API, at the path / of the server.
    client = InferenceClient(url)
    print(client.feature_extraction(SENTENCES).shape)
    for score, sentence in zip(client.sentence_similarity(QUERY, SENTENCES), SENTENCES, strict=True):
        print(f"{score:.3f}  {sentence}")


if __name__ == "__main__":
    main(*sys.argv[1:])
