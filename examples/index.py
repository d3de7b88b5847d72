"""Embeds documents once, then ranks them by their ids: only the query is computed.

python -m examples.index
"""

import json
import tempfile
from pathlib import Path

from engine import Engine, Index
from engine.index.build import build_index

DOCUMENTS = {
    "grass": "Cows eat grass.",
    "paris": "Paris is the capital of France.",
    "berlin": "Berlin is a city in Germany.",
}


def main() -> None:
    engine = Engine.load("models/all-MiniLM-L6-v2")
    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = Path(folder) / "docs.jsonl"
            lines.write_text("\n".join(json.dumps({"id": name, "text": text}) for name, text in DOCUMENTS.items()))
            # What `python -m engine index ARTIFACT docs.jsonl --output FOLDER` does.
            manifest = build_index(engine, lines, Path(folder) / "index", "float16")
            print(f"{manifest.documents} documents, {manifest.vectors} vectors of {manifest.dimension}")

            index = Index(Path(folder) / "index", engine)
            ids = list(DOCUMENTS)
            ranking = index.rerank("What is the capital of France?", ids, top_n=2)
            for ranked in ranking.results:
                print(f"{ranked.score:.3f}  {ids[ranked.index]}")
            print(f"{ranking.tokens} tokens were computed")
    finally:
        engine.close()


if __name__ == "__main__":
    main()
