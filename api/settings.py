"""What the server is started with: flags, or `SCORERT_*` variables where a flag is not given."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# Beside the packages in a checkout and in site-packages alike.
DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "all-MiniLM-L6-v2"


class SettingsError(Exception):
    """A flag or variable that cannot be used; the message is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`models` are artifact folders. `served_model_names` are theirs in the same order, or empty for their own names.

    `port` 0 takes any free one. `threads` None means one for every core; `precision` None an artifact's first graph.
    `chat_template` is the text of a score template, None for the artifacts' own.
    """

    models: list[Path]
    served_model_names: list[str]
    host: str
    port: int
    provider: str
    precision: str | None
    threads: int | None
    chat_template: str | None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Parse the command line; an environment variable stands in for the flag of its name, an empty one for nothing.

    Raises `SettingsError`. `--help` prints and exits with 0.
    """
    given = _parser(environment).parse_args(arguments)
    names = [name.strip() for names in given.served_model_name for name in names.split(",") if name.strip()]
    models: list[Path] = given.model or [DEFAULT_MODEL]
    if names and len(names) != len(models):
        raise SettingsError(
            f"--served-model-name gives {_count(names, 'name')} for {_count(models, 'model')}: give each model one."
        )
    return Settings(
        models, names, given.host, given.port, given.provider, given.precision, given.threads, given.chat_template
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    def variable(name: str) -> str | None:
        return environment.get(f"SCORERT_{name}") or None

    def variables(name: str) -> list[str]:
        return [part.strip() for part in (variable(name) or "").split(",") if part.strip()]

    parser = _Parser(
        prog="python -m api",
        description="Serve relevance scores of exported models over HTTP.",
        epilog="Every flag can also be set as a variable: SCORERT_PORT for --port; lists are separated by commas.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        nargs="+",
        type=Path,
        action=_Extend,
        default=[Path(name) for name in variables("MODEL")],
        help="artifacts to serve (default: the all-MiniLM-L6-v2 that comes with ScoreRT)",
    )
    parser.add_argument(
        "--served-model-name",
        metavar="NAME",
        nargs="+",
        action=_Extend,
        default=variables("SERVED_MODEL_NAME"),
        help="names that requests use, in the order of --model (default: the artifacts' own)",
    )
    parser.add_argument("--host", default=variable("HOST") or "0.0.0.0", help="address to listen on (default: all)")
    parser.add_argument("--port", type=_port, default=variable("PORT") or "8000", help="default 8000; 0: any free one")
    parser.add_argument(
        "--provider",
        default=variable("PROVIDER") or "cpu",
        help="cpu, cuda or tensorrt; several with commas fall back from left to right (default: cpu)",
    )
    parser.add_argument("--precision", default=variable("PRECISION"), help="which graph (default: an artifact's first)")
    parser.add_argument(
        "--threads", type=_threads, default=variable("THREADS"), help="CPU threads (default: all cores)"
    )
    parser.add_argument(
        "--chat-template",
        metavar="FILE",
        type=_content,
        default=variable("CHAT_TEMPLATE"),
        help="a Jinja score template for the cross-encoders (default: the artifacts' own)",
    )
    return parser


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message[0].upper()}{message[1:]}; see `python -m api --help`.")


class _Extend(argparse.Action):
    """Collects a flag that may be repeated; the first use replaces the default, which argparse's own would keep."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        so_far = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if so_far is self.default else so_far), *values])


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads (1 or more)")
    return int(text)


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"{path} is not UTF-8 text") from None


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
