"""Asks a running server through OpenAI's own client: `pip install openai`.

python -m api --alias text-embedding-3-small=all-MiniLM-L6-v2 &
python -m examples.with_openai http://127.0.0.1:8000
"""

import sys

import openai

TEXTS = ["Cows eat grass.", "Paris is the capital of France."]


def main(url: str) -> None:
    client = openai.OpenAI(api_key="unused", base_url=f"{url}/v1")
    # An alias lets programs keep the name that they have for their model.
    answer = client.embeddings.create(model="text-embedding-3-small", input=TEXTS)
    print(
        f"{len(answer.data)} embeddings of {len(answer.data[0].embedding)} numbers, {answer.usage.total_tokens} tokens"
    )
    print([model.id for model in client.models.list()])
    try:
        client.embeddings.create(model="gpt-5", input=TEXTS)
    except openai.NotFoundError as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
