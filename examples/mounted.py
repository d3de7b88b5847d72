"""Mounts ScoreRT below a path of a Starlette application of one's own: `pip install uvicorn`.

    uvicorn examples.mounted:app --port 8000
    curl http://127.0.0.1:8000/scores/rerank -H 'Content-Type: application/json' \\
        -d '{"query": "capital of France", "documents": ["Cows eat grass.", "Paris is in France."]}'
"""

import os

# Before numpy is imported, by whoever owns the process: see docs/guides/mounting.md.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from api.app import create_app
from api.limits import Limits
from api.models import Models
from api.settings.settings import Settings

settings = Settings(models=[Path("models/all-MiniLM-L6-v2")], limits=Limits(max_documents=100))
models = Models.load(settings)


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("Scores are at /scores.")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Starlette runs the lifespan of the outer application alone, so the models are closed here."""
    yield
    models.close()


app = Starlette(
    routes=[Route("/", hello), Mount("/scores", app=create_app(models, settings))],
    lifespan=lifespan,
)
