"""Hostile templates end soon, in little memory, and reach nothing of Python's insides."""

import json
import sys
import textwrap
from subprocess import run

import pytest

DOUBLING = "{% set x = 'a' %}" + "{% set x = x ~ x %}" * 60
LIMITED = [
    "{{ 'a' * 10 ** 10 }}",
    "{{ 10 ** 10 * 'a' }}",
    "{{ [1] * 10 ** 10 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set x = 9 %}" + "{% set x = x * x %}" * 60,
    "{{ '%9999999999d' % 1 }}",
    "{{ '%*d' % (10 ** 10, 1) }}",
    "{{ '{:9999999999}'.format(1) }}",
    "{{ '{a:9999999999}'.format_map({'a': 1}) }}",
    "{{ 'a'.center(10 ** 10) }}",
    "{{ 'a'.ljust(10 ** 10) }}",
    "{{ 'a'.zfill(10 ** 10) }}",
    "{{ '\t'.expandtabs(10 ** 10) }}",
    "{{ 'a'.translate({97: 'b' * 100000}) }}",
    "{{ (5).to_bytes(10 ** 10, 'big') }}",
    "{{ ('a\n' * 1000) | indent(10 ** 9) }}",
    "{{ ('a\n' * 1000) | indent('x' * 100000) }}",
    "{{ [[1]] | tojson(indent=10 ** 9) }}",
    "{{ [1, 2] | tojson(separators=('x' * 900000, ':')) }}",
    "{{ ['a'] | map('center', 10 ** 10) | list }}",
    "{{ ('a' * 10000).replace('a', 'b' * 10000) }}",
    "{{ ('a' * 10000) | replace('', 'b' * 10000) }}",
    "{{ ('a' * 10000).join('b' * 10000) }}",
    "{{ range(10000) | map('string') | join('a' * 10000) }}",
    "{{ ('a ' * 100000).split() | map('replace', 'a', 'b' * 1000) | join }}",
    "{% for i in range(10 ** 9) %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) if false %}{% endfor %}{% endfor %}",
    "{% for i in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}{% macro g(n) %}{% call f() %}{% if n %}{{ g(n - 1) }}"
    "{% endif %}{% endcall %}{% endmacro %}{{ g(60) }}",
    DOUBLING,
    DOUBLING.replace("~", "+"),
    "{% set x = 'a' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60,
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = [1] %}" + "{% set x = (x, x) %}" * 60 + "{{ x | string }}",
    "{% set x = [1] %}" + "{% set x = {1: x, 2: x} %}" * 60 + "{{ x | tojson }}",
    "{% set x = [1] %}" + "{% set x = dict(a=x, b=x) %}" * 60 + "{{ x }}",
    "{% set x = [1] %}{% set y = [1] %}" + "{% set x = [x, x] %}{% set y = [y, y] %}" * 60 + "{{ x == y }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1, varargs, varargs) }}{% else %}{{ varargs }}{% endif %}{% endmacro %}"
    "{{ f(60, 1) }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1, a=kwargs, b=kwargs) }}{% else %}{{ kwargs }}{% endif %}{% endmacro %}"
    "{{ f(60, a=1) }}",
    "{% macro f() %}" + "x" * 90000 + "{% endmacro %}{% for i in range(9000) %}{{ f() }}{% endfor %}",
    "{% set y %}{% for i in range(9000) %}" + "x" * 90000 + "{% endfor %}{% endset %}",
    "{% set x = 'a' * 900000 %}{{ " + "~".join(["x"] * 10000) + " }}",
    "{% set x = 'a' * 900000 %}{% set y %}" + "{{ x }}" * 10000 + "{% endset %}",
    "{% if 'a' | upper * 10 ** 10 %}{% endif %}",
]
ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'].mro() }}",
    "{{ [''] | map(attribute='__class__.__mro__') | list }}",
    "{{ raise_exception.__globals__.x }}",
    "{{ (messages | map('upper')).gi_frame.f_globals }}",
    "{{ namespace(__class__=1) }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'content': 'x'}) }}",
    "{{ lipsum() }}",
    "{{ self.blocks.x }}",
]


@pytest.mark.slow
def test_hostile_templates_are_stopped_quickly_and_without_memory() -> None:
    """In a process of its own, whose memory can be limited."""
    program = textwrap.dedent(
        """
        import json, resource, sys, time
        import jinja2
        from engine.prompts.sandbox import compile_template, render
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
        for text in json.load(sys.stdin):
            start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                answer = "rendered " + render(compile_template(text), {"messages": [{"content": "a"}]})[:100]
            except jinja2.TemplateError as error:
                answer = error.message
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
            print(json.dumps([text, answer, time.process_time() - start, memory / 1000]))
        """
    )
    done = run([sys.executable, "-c", program], input=json.dumps(LIMITED + ESCAPES), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(LIMITED) + len(ESCAPES)
    for text, answer, seconds, megabytes in answers:
        assert not answer.startswith("rendered"), (text, answer)
        assert "MemoryError" not in answer, (text, answer)
        assert seconds < 3, (text, seconds)
        assert megabytes < 100, (text, megabytes)
