"""Which of the served models a score template of the server's is for."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from api.models import Models
from api.settings.errors import SettingsError
from api.settings.reading import read_settings
from api.settings.settings import DEFAULT_MODEL
from engine.artifact.manifest import sha256
from tests.manifests import edit_manifest

OWN = "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}"
OTHER = "{% for message in messages %}{{ message.content }} [SEP] {% endfor %}yes?"


@pytest.fixture
def folders(artifacts: Callable[[str], Path], tmp_path: Path) -> dict[str, Path]:
    """A plain reranker, and the same with a template."""
    prompted = Path(shutil.copytree(artifacts("minilm-ce"), tmp_path / "prompted"))
    template = prompted / "score_template.jinja"
    template.write_text(OWN)
    (tmp_path / "other.jinja").write_text(OTHER)

    def add(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files[template.name] = {"sha256": sha256(template), "size": template.stat().st_size}
        manifest["template"] = template.name

    edit_manifest(prompted, add)
    return {"plain": artifacts("minilm-ce"), "prompted": prompted, "other": tmp_path / "other.jinja"}


def scores(*arguments: str | Path) -> list[float]:
    """Each served reranker's score of one pair."""
    with closing(Models.load(read_settings(list(map(str, arguments)), {}))) as models:
        engines = [engine for engine in models.served.values() if engine.manifest.scoring.reads_pairs]
        return [float(engine.score("capital of France", "Paris is in France.").scores[0]) for engine in engines]


def test_a_template_is_for_prompted_models_or_for_the_named_one(folders: dict[str, Path]) -> None:
    served = ("--model", folders["plain"], folders["prompted"], DEFAULT_MODEL)
    served = (*served, "--served-model-name", "plain", "prompted", "embedder")
    plain, own = scores(*served)
    same, other = scores(*served, "--chat-template", folders["other"])
    assert same == pytest.approx(plain, abs=1e-6)
    assert abs(other - own) > 1e-5
    named, kept = scores(*served, "--chat-template", f"plain={folders['other']}")
    assert kept == pytest.approx(own, abs=1e-6)
    assert named == pytest.approx(other, abs=1e-6)
    both = scores(*served, "--chat-template", folders["other"], f"plain={folders['other']}")
    assert both == pytest.approx([other, other], abs=1e-6)


def test_a_template_that_is_for_no_model_is_refused(folders: dict[str, Path]) -> None:
    for arguments, complaint in (
        ((DEFAULT_MODEL, "--chat-template", folders["other"]), "none that is served is: leave it out."),
        ((folders["plain"], "--chat-template", folders["other"]), "as in minilm-ce=FILE, or leave it out."),
        (
            (folders["plain"], "--chat-template", f"x={folders['other']}"),
            "--chat-template x=… is for a model that is not served: use minilm-ce.",
        ),
    ):
        with pytest.raises(SettingsError) as raised:
            scores("--model", *arguments)
        assert complaint in str(raised.value)
