from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from api.media.settings import MediaSettings
from api.settings.errors import SettingsError
from api.settings.settings import DEFAULT_MODEL, Access, Network, Observing, Serving, Settings
from engine import DEFAULT_CACHE_BYTES, IMAGE_FORMATS, ImageLimits


def test_defaults() -> None:
    assert Settings() == Settings(
        models=(DEFAULT_MODEL,),
        serving=Serving(
            served_model_names=(),
            aliases=(),
            indexes=(),
            precision=None,
            provider="cpu",
            threads=None,
            chat_template=None,
            chat_templates=(),
            embedding_cache_bytes=DEFAULT_CACHE_BYTES,
            embedding_cache_store="float32",
            cuda_graphs=False,
        ),
        network=Network(host="0.0.0.0", port=8000),
        limits=Limits(
            max_body_bytes=32 * 2**20,
            max_documents=10_000,
            max_request_tokens=1_000_000,
            timeout=60.0,
            max_concurrent_requests=512,
            max_queued_tokens=2_000_000,
        ),
        media=MediaSettings(
            allowed_domains=(),
            allowed_path=None,
            limits=ImageLimits(max_bytes=20 * 2**20, max_pixels=50_000_000, max_frames=1000, formats=IMAGE_FORMATS),
            max_images=100,
            max_held_pixels=1_000_000_000,
            fetch_timeout=10.0,
            max_concurrent_fetches=16,
            max_concurrent_decodes=4,
        ),
        access=Access(api_keys=frozenset(), public_metrics=False, allow_origins=()),
        observing=Observing(log_format="text", log_level="info", otlp_endpoint=None),
    )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"serving": Serving(served_model_names=["x", "y"])}, "2 names for 1 model:"),
        ({"limits": Limits(max_request_tokens=1001, max_queued_tokens=1000)}, "--max-queued-tokens is 1,000 and"),
    ],
)
def test_settings_that_do_not_go_together(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings(**changes)


def test_default_model_lies_beside_the_package() -> None:
    import api

    assert api.__file__ is not None
    assert Path(api.__file__).parents[1] / "models" / "all-MiniLM-L6-v2" == DEFAULT_MODEL


@pytest.mark.parametrize("models", ["models/x", Path("models/x"), []])
def test_models_are_a_list(models: Any) -> None:
    with pytest.raises(SettingsError, match=r"^models must be a list of artifacts' folders, with at least one\.$"):
        Settings(models=models)
