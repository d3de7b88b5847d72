"""Scores documents in this process: no server, no PyTorch.

python -m examples.in_process
"""

from engine import Engine

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cows eat grass.", "Paris is the capital of France.", "Berlin is a city in Germany."]


def main() -> None:
    engine = Engine.load("models/all-MiniLM-L6-v2")
    try:
        for ranked in engine.rerank(QUERY, DOCUMENTS, top_n=2).results:
            print(f"{ranked.score:.3f}  {DOCUMENTS[ranked.index]}")
        # Pairs side by side, and the embeddings that the scores are made of.
        pairs = engine.score([QUERY, "What do cows eat?"], [DOCUMENTS[1], DOCUMENTS[0]])
        print([f"{score:.3f}" for score in pairs.scores], pairs.tokens, "tokens")
        print(engine.embed(DOCUMENTS).embeddings.shape)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
