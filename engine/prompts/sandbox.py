"""Renders templates in Jinja2's immutable sandbox, with limits on work and on memory.

A template comes from whoever published the checkpoint. The sandbox keeps it from Python's insides; `budget` keeps it
from looping or growing without end. Its settings and additions are those of transformers' chat templates, less what no
prompt needs: formatting to a width, random choices, the clock, blocks and other files.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from .budget import MAX_TURNS, METERS, LimitReached, Metering, budget_of, budgeted, metered, printed, replaced

# Filters and methods make at most a few times what they are given, except where `budget` says how much.
_FILTERS = (
    "abs capitalize count d default dictsort first float indent int items join last length list lower map max min "
    "reject rejectattr replace reverse safe select selectattr sort string title trim unique upper"
)
_STRING_METHODS = (
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace "
    "istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit "
    "rstrip split splitlines startswith strip swapcase title upper"
)
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(_STRING_METHODS.split()),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
}
# Characters of a template, a choice: the longest chat templates have a quarter of that.
_MAX_TEMPLATE = 100_000
# They would bring in other templates, or call each other.
_REFUSED = (nodes.Block, nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


def compile_template(text: str) -> jinja2.Template:
    """Raises `jinja2.TemplateError` for what is no template, or uses what score templates may not."""
    environment = _Environment()
    if len(text) > _MAX_TEMPLATE:
        raise jinja2.TemplateError(f"it has more than {_MAX_TEMPLATE:,} characters")
    try:
        tree = environment.parse(text)
        for refused in tree.find_all(_REFUSED):
            raise jinja2.TemplateSyntaxError(
                f"{type(refused).__name__} statements are not for score templates", refused.lineno
            )
        return environment.from_string(Metering().visit(tree))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise jinja2.TemplateError("its blocks or brackets are nested too deeply") from error


def literals(template: str) -> list[str]:
    """The strings a template's text spells out, as text and as constants."""
    tree = _Environment().parse(template)
    constants = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return [node.data for node in tree.find_all(nodes.TemplateData)] + constants


def render(template: jinja2.Template, variables: Mapping[str, Any]) -> str:
    """The text of a template. Raises `jinja2.TemplateError`."""
    try:
        return template.render(budgeted(variables))
    except jinja2.TemplateError:
        raise
    except RecursionError:
        raise LimitReached("it calls itself too often") from None
    except Exception as error:
        # A foreign program's own mistake: adding a number to a string, dividing by 0, and so on.
        raise jinja2.TemplateRuntimeError(f"{type(error).__name__}: {error}") from error


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
            finalize=printed,
        )
        self.filters = {name: metered(name, FILTERS[name]) for name in _FILTERS.split()}
        self.filters |= {"tojson": metered("tojson", _tojson)} | METERS
        self.globals = {"dict": dict, "namespace": _Namespace, "raise_exception": _raise, "range": _range}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if isinstance(obj, LoopContext | Namespace):
            return True
        return any(attr in names for kind, names in _METHODS.items() if isinstance(obj, kind))

    def wrap_str_format(self, value: Any) -> None:
        """Leaves `str.format` to `is_safe_attribute`, which refuses it."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget = budget_of(context)
        if operator == "%" and isinstance(left, str):
            raise jinja2.TemplateRuntimeError("it formats with %: join strings with ~ instead")
        if operator == "*" and isinstance(right, str | list | tuple):
            left, right = right, left
        if operator == "*" and isinstance(left, str | list | tuple) and isinstance(right, int):
            budget.spend(len(left) * max(0, right))
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            budget.spend(left.bit_length() * abs(right))
        return budget.charge(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        budget = budget_of(__context)
        text = getattr(__obj, "__self__", None)
        if isinstance(text, str) and __obj.__name__ == "join" and len(args) == 1:
            args = (list(args[0]),)
            budget.spend(len(text) * len(args[0]))
        elif isinstance(text, str) and __obj.__name__ == "replace":
            budget.spend(replaced(text, *args))
        # A macro sees its arguments as a list and a dictionary; Jinja's own start with an underscore.
        budget.charge([*args, *(value for name, value in kwargs.items() if not name.startswith("_"))])
        return budget.charge(super().call(__context, __obj, *args, **kwargs))


class _Generation(Extension):
    """`{% generation %}`, which marks what a model wrote in training data and renders as if it were not there."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Namespace(Namespace):
    """Keeps to names that are not Python's own, and prints briefly: namespaces may hold each other."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _Namespace._check(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._check(name)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"

    @staticmethod
    def _check(name: object) -> None:
        if str(name).startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}")


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON that keeps HTML's characters as they are."""
    if (indent is not None and (not isinstance(indent, int) or indent > 16)) or len(str(separators)) > 16:
        raise jinja2.TemplateRuntimeError("tojson indents by at most 16 spaces and separates by a few characters")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_TURNS:
        raise LimitReached(f"it loops more than {MAX_TURNS:,} times")
    return numbers


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
