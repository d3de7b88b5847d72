"""Writes docs/reference from the code: settings, paths and metrics of the server, and families of checkpoints."""

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from api.dialects import ENDPOINTS
from api.endpoint import Endpoint
from api.observing.metrics import Metrics
from api.settings.flags import Flag
from api.settings.table import FLAGS
from export.recognition.listing import table

FOLDER = Path("docs/reference")
_BAR = r"\|"
_NOTE = "<!-- Written by `python -m scripts.reference`: change the code, not this page. -->"

# The help of a flag without a value by default says what stands for it.
_TOLD_DEFAULT = re.compile(r" \(default: (.+)\)$")
_METAVARS = {int: "N", Path: "FILE"}

_SETTINGS = """\
Each setting is a flag, a variable, and a key of the TOML file that `--config FILE` or `SCORERT_CONFIG` names: the flag
without its dashes. A flag wins over its variable, and a variable over the file. Flags with `…` take several values,
which commas separate in a variable and a list holds in the file. [The guide](../guides/serve.md) says what happens to
requests beyond a limit, and how keys are given."""

_PATHS = """\
Where several endpoints share a path, the first that knows the request as its own answers, in the order of this table;
an empty second column takes any body. Fields with `?` may be left out. A running server describes the same at `/docs`
and `/openapi.json`, with the types of all fields. [The guide](../guides/apis.md) says how the dialects differ."""

_OTHER_PATHS = """\
Besides these, `/` shows a page, `/docs` the documentation, `/openapi.json` the description, and `/metrics` the
[metrics](metrics.md)."""

_FAMILIES = """\
`python -m export --list` prints this table. *body* is the `model_type` of the transformers class that runs the
checkpoint; other checkpoints with a body of the table export, too. *prompted* rerankers have a
[score template](../guides/score-templates.md). *tested as* names the tiny checkpoint in `checkpoints/` that the tests
export, hold against other people's code and serve."""

_METRICS = """\
`GET /metrics` answers with these, and with those of the process and of Python under their usual names.
[docs/monitoring](../monitoring/README.md) says which labels they have, and how they are scraped and drawn."""


def main() -> None:
    """Write every page. Its only option is `--help`."""
    argparse.ArgumentParser(prog="python -m scripts.reference", description=__doc__).parse_args()
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)


def settings() -> str:
    """Every flag of the server, by group."""
    tables = [
        f"## {group}\n\n{_table(('flag', 'variable', 'default', 'what it does'), map(_setting, flags))}"
        for group, flags in FLAGS.items()
    ]
    return _page("Settings of the server", _SETTINGS, *tables)


def paths() -> str:
    """Every endpoint, in the order in which they are asked whether a request is theirs."""
    columns = ("path", "known by", "dialect", "what it does", "fields of the body")
    return _page("Paths", _PATHS, _table(columns, map(_path, ENDPOINTS)), _OTHER_PATHS)


def families() -> str:
    """The table that `python -m export --list` prints."""
    return _page("Families of checkpoints", _FAMILIES, table())


def metrics() -> str:
    """ScoreRT's own metrics, without those of the process and of Python."""
    body, _ = Metrics().render(None)
    own = [one for one in text_string_to_metric_families(body.decode()) if one.name.startswith("scorert_")]
    rows = [(f"`{_exposed(one.name, one.type)}`", one.type, one.documentation) for one in own]
    return _page("Metrics", _METRICS, _table(("metric", "kind", "meaning"), rows))


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "paths.md": paths,
    "families.md": families,
    "metrics.md": metrics,
}


def _setting(flag: Flag) -> tuple[str, ...]:
    told = _TOLD_DEFAULT.search(flag.help)
    default = told[1] if told else _value(flag.default)
    value = "" if flag.kind is bool else f" {flag.metavar or _METAVARS.get(flag.kind, flag.name.upper())}"
    return (
        f"`--{flag.name}{value}{' …' if flag.repeats else ''}`",
        f"`{flag.variable}`",
        default,
        _TOLD_DEFAULT.sub("", flag.help),
    )


def _value(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _path(endpoint: Endpoint) -> tuple[str, ...]:
    paths = ", ".join(f"`{path}`" for path in endpoint.paths)
    return f"{endpoint.method} {paths}", endpoint.told_by, endpoint.dialect, endpoint.summary, _fields(endpoint.request)


def _fields(request: Any) -> str:
    """The names of a body's fields, those that may be left out with a question mark."""
    if not (isinstance(request, type) and issubclass(request, msgspec.Struct)):
        return ""
    fields = sorted(msgspec.structs.fields(request), key=lambda field: not field.required)
    return ", ".join(f"`{field.encode_name}{'' if field.required else '?'}`" for field in fields)


def _exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', _BAR) for cell in row)} |" for row in cells)


def _page(title: str, *blocks: str) -> str:
    return "\n\n".join([f"# {title}", _NOTE, *blocks]) + "\n"


if __name__ == "__main__":
    main()
