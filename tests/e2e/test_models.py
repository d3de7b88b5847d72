"""Which models a server process has, and under what names."""

import os
from pathlib import Path

from tests.e2e.server import Server, run_to_exit

PAIR = {"queries": "What is the capital of France?", "documents": "The capital of France is Paris."}
MEGABYTE = 1_000_000


def test_without_model_the_default_is_served() -> None:
    with Server() as server:
        response = server.client.post("/score", json=PAIR)
        assert response.status_code == 200
        assert response.json()["model"] == "all-MiniLM-L6-v2"
        assert 0.8 < response.json()["data"][0]["score"] < 1
        assert server.resident_bytes() < 250 * MEGABYTE


def test_the_request_picks_among_several(contract_artifacts: dict[str, Path]) -> None:
    with Server(
        "--model",
        contract_artifacts["minilm-bi"],
        contract_artifacts["minilm-ce"],
        "--served-model-name",
        "embedder,reranker",
    ) as server:
        listed = server.client.get("/v1/models").json()["data"]
        assert [(model["id"], model["root"], model["max_model_len"]) for model in listed] == [
            ("embedder", "minilm-bi", 256),
            ("reranker", "minilm-ce", 512),
        ]
        answers = {
            name: server.client.post("/score", json=PAIR | ({"model": name} if name else {})).json()
            for name in (None, "embedder", "reranker")
        }
        assert answers["embedder"]["model"] == "embedder"
        assert answers["reranker"]["model"] == "reranker"
        assert answers["embedder"]["data"] != answers["reranker"]["data"]
        assert answers[None]["model"] == "embedder"
        assert answers[None]["data"] == answers["embedder"]["data"]
        # The artifact's own name is not served once it has another.
        refused = server.client.post("/rerank", json={"model": "minilm-ce", "query": "a", "documents": "b"})
        assert refused.status_code == 404
        assert refused.json()["error"]["message"] == (
            "The model `minilm-ce` does not exist; this server has `embedder`, `reranker`."
        )


def test_variables_stand_in_for_flags(contract_artifacts: dict[str, Path]) -> None:
    environment = {
        "SCORERT_MODEL": str(contract_artifacts["minilm-bi"]),
        "SCORERT_SERVED_MODEL_NAME": "from-the-environment",
        "SCORERT_PRECISION": "fp32",
        "SCORERT_THREADS": "1",
    }
    with Server(environment=environment) as server:
        assert [model["id"] for model in server.client.get("/v1/models").json()["data"]] == ["from-the-environment"]
        assert "from-the-environment (bi-encoder, fp32, cpu)" in server.ready_line


def test_a_file_says_what_is_served_and_by_which_names(contract_artifacts: dict[str, Path], tmp_path: Path) -> None:
    config = tmp_path / "scorert.toml"
    models = [os.path.relpath(contract_artifacts[name], tmp_path) for name in ("minilm-bi", "minilm-ce")]
    config.write_text(
        f"model = {models}\n"
        'served-model-name = ["embedder", "reranker"]\n'
        'alias = ["rerank-english-v3.0=reranker", "gpt=embedder"]\n'
        "port = 1\n"
        'precision = "int4"\n'
        "threads = 1\n"
    )
    # The helper's --port wins over the file's, and so does the variable over its precision, which no artifact has.
    with Server("--config", config, environment={"SCORERT_PRECISION": "fp32"}) as server:
        listed = server.client.get("/v1/models").json()["data"]
        assert [(model["id"], model["root"]) for model in listed] == [
            ("embedder", "minilm-bi"),
            ("reranker", "minilm-ce"),
            ("rerank-english-v3.0", "minilm-ce"),
            ("gpt", "minilm-bi"),
        ]
        names = ("embedder", "reranker", "rerank-english-v3.0", "gpt")
        answers = {name: server.client.post("/score", json=PAIR | {"model": name}).json() for name in names}
        assert [answer["model"] for answer in answers.values()] == list(names)
        assert answers["rerank-english-v3.0"]["data"] == answers["reranker"]["data"]
        assert answers["gpt"]["data"] == answers["embedder"]["data"]
        assert answers["gpt"]["data"] != answers["reranker"]["data"]
        refused = server.client.post("/score", json=PAIR | {"model": "none"})
        assert refused.status_code == 404
        assert refused.json()["error"]["message"] == (
            "The model `none` does not exist; this server has `embedder`, `reranker`, `rerank-english-v3.0`, `gpt`."
        )


def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "scorert.toml"
    config.write_text("max_documents = 5")
    ended = run_to_exit(environment={"SCORERT_CONFIG": str(config)})
    assert ended.returncode == 2
    assert ended.stderr == f"max_documents in {config} is not a setting: the nearest is max-documents.\n"
