"""Asks a running server with plain HTTP, as vLLM's and Jina's users do: `pip install httpx`.

python -m api &
python -m examples.with_httpx http://127.0.0.1:8000
"""

import sys

import httpx

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cows eat grass.", "Paris is the capital of France.", "Berlin is a city in Germany."]


def main(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        scored = client.post("/score", json={"queries": QUERY, "documents": DOCUMENTS}).raise_for_status().json()
        print([round(item["score"], 3) for item in scored["data"]], scored["usage"]["total_tokens"], "tokens")

        ranked = client.post("/rerank", json={"query": QUERY, "documents": DOCUMENTS, "top_n": 2})
        for result in ranked.raise_for_status().json()["results"]:
            print(f"{result['relevance_score']:.3f}  {result['document']['text']}")

        # A request that cannot be answered says in one sentence what to change.
        refused = client.post("/rerank", json={"query": QUERY, "documents": []})
        print(refused.status_code, refused.json()["error"]["message"])


if __name__ == "__main__":
    main(*sys.argv[1:])
