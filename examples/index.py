"""Embeds documents once, then ranks them by their ids: only the query is computed.

python -m examples.index
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from engine import Engine, Index

MODEL = "models/all-MiniLM-L6-v2"

DOCUMENTS = {
    "grass": "Cows eat grass.",
    "paris": "Paris is the capital of France.",
    "berlin": "Berlin is a city in Germany.",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "docs.jsonl"
        lines.write_text("\n".join(json.dumps({"id": name, "text": text}) for name, text in DOCUMENTS.items()))
        # Once, ahead of all queries.
        command = [sys.executable, "-m", "engine", "index", MODEL, str(lines), "--output", f"{folder}/index"]
        subprocess.run([*command, "--store", "float16"], check=True)

        engine = Engine.load(MODEL)
        index = Index(f"{folder}/index", engine)
        print(f"{index.manifest.documents} documents, {index.manifest.vectors} vectors of {index.manifest.dimension}")
        ids = list(DOCUMENTS)
        ranking = index.rerank("What is the capital of France?", ids, top_n=2)
        for ranked in ranking.results:
            print(f"{ranked.score:.3f}  {ids[ranked.index]}")
        print(f"{ranking.tokens} tokens were computed")
        engine.close()


if __name__ == "__main__":
    main()
