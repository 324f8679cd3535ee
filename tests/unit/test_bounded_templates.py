"""Templates of other people's models: what they may cost, and that those that are meant well cost
little.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from castalia.bounded import templates
from castalia.codecs.conversation import Message
from castalia.errors import DataError
from castalia.modalities.text.chat_template import Jinja

TURNS = [Message("user", "hi there"), Message("assistant", "yes")]


def render(source: str, turns: list[Message] = TURNS) -> str:
    def none(text: str) -> np.ndarray:
        return np.zeros(0)

    return Jinja(
        source, none, lambda text: (none(text), none(text)), {}, 0, {"bos_token": "<s>"}
    ).render(turns, False)


def doubled(start: str, body: str, end: str = "", turns: int = 60) -> str:
    return (
        f"{{% set ns = namespace(x={start}, y={start}) %}}{{% for i in range({turns}) %}}{{% "
        f"set ns.x = {body} %}}{{% set ns.y = {body} %}}{{% endfor %}}{end}"
    )


HOSTILE = {
    "times": "{{ 'a' * 10**9 }}",
    "times list": "{{ 10**9 * [1] }}",
    "concat": doubled("'ab'", "ns.x ~ ns.x"),
    "plus": doubled("'ab'", "ns.x + ns.x"),
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "filtered loops": "{% for i in range(99999) %}{% for j in range(99999) if j > 10**6 %}"
    "{% endfor %}{% endfor %}",
    "recursive loop": "{% for x in [[1]] recursive %}{{ loop([x, x]) }}{% endfor %}",
    "macro": "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "macro tree": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro "
    "%}{{ f(40) }}",
    "shared lists": doubled("[1, 2]", "[ns.x, ns.x]", "{{ ns.x }}"),
    "shared json": doubled("[1, 2]", "[ns.x, ns.x]", "{{ ns.x | tojson }}"),
    "shared equality": doubled("[1, 2]", "[ns.x, ns.x]", "{{ ns.x == ns.y }}"),
    "namespace": doubled("[1, 2]", "[ns.x, ns.x]", "{{ ns }}"),
    "center": "{{ 'a'.center(10**9) }}",
    "center filter": "{{ 'a' | center(10**9) }}",
    "filter block": "{% filter center(10**9) %}a{% endfilter %}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "zfill": "{{ 'a'.zfill(10**9) }}",
    "tabs": "{{ '\t'.expandtabs(10**9) }}",
    "indent": "{{ 'a\nb' | indent(10**9) }}",
    "json indent": "{{ [1] | tojson(indent=10**9) }}",
    "batch": "{{ [1] | batch(10**9, 0) | list }}",
    "slice": "{{ [1] | slice(10**9) | list }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "percent star": "{{ '%*d' % (10**9, 1) }}",
    "format filter": "{{ '%1000000000d' | format(1) }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "format field": "{{ '{:{w}}'.format(1, w='999999999') }}",
    "map format": "{{ '{:{w}}'.format_map({'w': 10**9}) }}",
    "power": "{{ 2**10000000 }}",
    "squares": doubled("3", "ns.x * ns.x"),
    "round": "{{ 1.5 | round(10**8, 'ceil') }}",
    "join": "{{ (['a' * 1000] * 99999) | join }}",
    "join method": "{{ 'x'.join(['a' * 1000] * 99999) }}",
    "join of a map": "{{ [1, 2] | map('string') | join('a' * 10**7) }}",
    "replace": "{{ ('a' * 100000).replace('', 'b' * 10000) }}",
    "replace filter": "{{ ('a' * 100000) | replace('a', 'b' * 10000) }}",
    "translate": "{{ 'a'.translate({97: 'x'}) }}",
    "random words": "{{ lipsum(n=10**9) }}",
    "random": "{{ [1, 2] | random }}",
    "pprint": "{{ [1] | pprint }}",
    "output": "{% for i in range(99999) %}{{ 'abc' * 1000 }}{% endfor %}",
    "text": "{% for i in range(99999) %}" + "text " * 1000 + "{% endfor %}",
    "literals": "{% for i in range(99999) %}{% set x = [" + "1," * 5000 + "] %}{% endfor %}",
    "captured": "{% set x %}{% for i in range(99999) %}" + "y" * 1000 + "{% endfor %}{% endset %}",
    "macro text": "{% macro m() %}"
    + "x" * 10000
    + "{% endmacro %}{% for i in range(99999) %}{% set y = m() %}{% endfor %}",
    "block text": "{% block b %}"
    + "x" * 1000
    + "{% endblock %}{% for i in range(99999) %}{% set y = self.b() %}{% endfor %}",
    "parts": "{% set s = 'a' * 10**6 %}{% for i in range(99999) %}{% set t = s[1:] %}{% endfor %}",
    "search": "{% set s = 'a' * 10**6 %}{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}",
    "strip": "{{ ('a' * 10**6).strip('b' * 10**6 ~ 'a') }}",
    "sum": "{% for i in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "range": "{{ range(10**9) | list }}",
    "compile time": "{% autoescape 'a' * 10**9 %}{% endautoescape %}",
    "nested": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "long": "{# #}" * 40_000,
    "not made yet": "{{ [1] | map('string') }}",
    "refuses": "{{ raise_exception('a' * 10**6) }}",
    "escape": "{{ ''.__class__.__mro__ }}" * 2 + "{{ 1 // 0 }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_what_multiplies_work_ends_in_an_error(source: str) -> None:
    begun, threads, found = time.thread_time(), threading.active_count(), []

    def elsewhere() -> None:
        begun = time.thread_time()
        try:
            render(source)
        except DataError as error:
            found.append((error, time.thread_time() - begun))

    with pytest.raises(DataError, match="refuses") as caught:
        render(source)
    assert time.thread_time() - begun < 2.5 and len(str(caught.value)) < 1000
    if source == HOSTILE["loops"]:  # no signal of the main thread's
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        assert found and found[0][1] < 2.5
    assert threading.active_count() == threads


KIND = {
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim + ('!' if "
    "loop.last else '') }}{% endfor %}": "<|user|>hi there<|assistant|>yes!",
    "{{ messages[1:] | length }} {{ messages | selectattr('role', 'equalto', 'user') | "
    "list | length }} {{ messages | map(attribute='role') | join(', ') }}": "1 1 user, assistant",
    "{% if messages[0]['content'] is string and 'hi' in messages[0].content %}{{ "
    "messages[1] | tojson }}{% endif %}": '{"role": "assistant", "content": "yes"}',
    "{{ 'a' ~ 1 ~ none }} {{ '%s-%03d' % ('x', 2) }} {{ '{} {:>3}'.format(1, 2) }} {{ "
    "'a,b'.split(',')[-1] }} {{ ['x'] * 2 }}": "a1None x-002 1   2 b ['x', 'x']",
    "{% macro f(x) %}[{{ x }}]{% endmacro %}{% for i in range(3) %}{{ f(i) }}{% endfor "
    "%}{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% "
    "endfor %}{{ ns.n }}": "[0][1][2]2",
    "{{ bos_token }}{% for m in messages if m.role == 'user' %}{{ "
    "m.get('content')[:2].upper() }}{{ m.items() | list | length }}{% break %}{% endfor "
    "%}{{ nothing is defined }}{{ nothing }}": "<s>HI2False",
    "{{ [3, 1, 2] | sort | first }}{{ {'b': 1} | dictsort }}{{ 'x' | center(5) }}|{{ "
    "'a\nb' | indent(2) }}{{ 2.567 | round(1) }}{{ strftime_now('%Y') }}{{ (messages | "
    "last)['role'] | title }}": "1[('b', 1)]  x  |a\n  b2.62024Assistant",
}


def test_what_is_meant_well_is_as_it_was() -> None:
    for source, expected in KIND.items():
        assert render(source) == expected
    talk = [
        Message("user" if number % 2 == 0 else "assistant", "words " * 30) for number in range(2000)
    ]
    source = (
        "{% for m in messages %}{% if loop.index0 == 0 or m.role != messages[loop.index0 - "
        "1].role %}{{ m.role ~ ': ' ~ m.content | trim }}{% endif %}\n{% endfor %}"
    )
    assert len(render(source, talk)) > 360_000


def test_a_budget_is_one_for_all_that_is_rendered_within_it() -> None:
    with templates.budget(0):
        outer = templates._ACTIVE.meter
        with templates.budget(10**6):
            assert templates._ACTIVE.meter is outer
        templates.burn(templates.BUDGET)
        with pytest.raises(templates.Spent):
            templates.burn(1)
    with pytest.raises(templates.Spent, match="no budget"):
        templates.burn(1)
