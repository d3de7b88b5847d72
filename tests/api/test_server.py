"""What the server says when it starts."""

from api.server import _paces
from engine import Engine


def test_the_paces_of_providers_are_told_in_what_the_model_takes(contract_artifacts):
    for name, unit in (("minilm-ce", "pairs"), ("minilm-bi", "texts")):
        engine = Engine.load(contract_artifacts[name])
        assert engine.paces == {}, "one was asked for, so nothing was tried"
        engine.paces = {"cuda": 1949.6, "cpu": 73.2}
        assert _paces(engine) == f"cuda (1,950 {unit}/s), cpu (73 {unit}/s)"
        engine.close()
