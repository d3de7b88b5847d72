"""Asks a running server through Cohere's own client: `pip install cohere`.

python -m api &
python -m examples.with_cohere http://127.0.0.1:8000
"""

import sys

import cohere

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cows eat grass.", "Paris is the capital of France.", "Berlin is a city in Germany."]


def main(url: str) -> None:
    # A server without keys takes any; one with keys takes its own.
    client = cohere.ClientV2("unused", base_url=url)
    answer = client.rerank(model="all-MiniLM-L6-v2", query=QUERY, documents=DOCUMENTS, top_n=2)
    for result in answer.results:
        print(f"{result.relevance_score:.3f}  {DOCUMENTS[result.index]}")
    embedded = client.embed(
        model="all-MiniLM-L6-v2", texts=DOCUMENTS, input_type="search_document", embedding_types=["int8"]
    )
    assert embedded.embeddings.int8 is not None
    print(f"{len(embedded.embeddings.int8)} embeddings of {len(embedded.embeddings.int8[0])} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
