"""promptfoo's YAML as a suite: what is read, what is refused, and that it runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from castalia.apps.prompt.matrix import test as run
from castalia.apps.prompt.suite import Suite, load
from castalia.errors import CastaliaError, RecipeError
from tests.apps.command import inside
from tests.outside_model import outside

CONFIG = """# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: a translator
prompts:
  - 'Translate into {{language}}: {{input}}'
  - file://chat.json
  - id: file://more/*.txt
    label: from a file
providers:
  - id: openai:chat:gpt-4o-mini
    label: mini
    config: {temperature: 0, max_tokens: 50}
defaultTest:
  assert:
    - type: not-icontains
      value: as an AI
    - {type: latency, threshold: 5000}
tests:
  - description: hello
    vars: {language: [French, German], input: Hello}
    assert:
      - {type: contains-any, value: 'Bonjour, Hallo', weight: 2, metric: greets}
      - {type: similar, value: Bonjour, threshold: 0.1}
  - vars: {language: French, input: file://long.txt}
    threshold: 0.5
    assert:
      - {type: is-json, value: {type: object}}
      - {type: regex, value: '^.+$'}
  - rows.csv
evaluateOptions: {repeat: 2, maxConcurrency: 3}
outputPath: out.json
"""


def folder(path: Path) -> Path:
    (path / "more").mkdir()
    (path / "more" / "a.txt").write_text("Say {{input}} in {{language}}")
    (path / "chat.json").write_text(
        '[{"role": "system", "content": "You translate."},'
        ' {"role": "user", "content": "{{input}} in {{language}}"}]'
    )
    (path / "long.txt").write_text("a long text")
    (path / "rows.csv").write_text(
        "language,input,__expected1,__expected2,__description\n"
        'French,Yes,"contains-all: Oui, o",not-contains: No,a row\nFrench,Thanks,Merci,,\n'
    )
    (path / "promptfooconfig.yaml").write_text(CONFIG)
    return path / "promptfooconfig.yaml"


def converted(path: Path, text: str, llm: str = "http://localhost:1/v1") -> Suite:
    (path / "c.yaml").write_text(text)
    return load(path / "c.yaml", llm=llm)


def test_what_is_read(tmp_path: Path):
    suite = load(folder(tmp_path), llm="http://localhost:1/v1")
    assert [one.name for one in suite.prompts] == [
        "Translate into {{language}}: {{input}}",
        *("chat", "from a file"),
    ]
    values = {"language": "French", "input": "Hi"}
    roles = [one["role"] for one in suite.prompts[1].render(values).messages]
    assert roles == ["system", "user"]
    (model,) = suite.models
    assert (model.llm, model.model, model.name) == ("http://localhost:1/v1", "gpt-4o-mini", "mini")
    assert model.sampling.given() == {"temperature": 0, "length": 50}
    assert [dict(one.values) for one in suite.cases][:3] == [
        {"language": "French", "input": "Hello"},
        {"language": "German", "input": "Hello"},
        {"language": "French", "input": "a long text"},
    ]
    assert [(one.type, one.value, one.max) for one in suite.cases[0].asserts] == [
        ("not-icontains", "as an AI", None),
        ("latency", None, 5.0),
        ("contains-any", ["Bonjour", "Hallo"], None),
        ("similar", "Bonjour", None),
    ]
    assert [(one.type, one.value) for one in suite.cases[3].asserts[2:]] == [
        ("contains-all", ["Oui", "o"]),
        ("not-contains", "No"),
    ]
    assert [(one.type, one.value) for one in suite.cases[4].asserts[2:]] == [("equals", "Merci")]
    assert (suite.cases[2].threshold, suite.repeat, suite.cases[3].name) == (0.5, 2, "a row")
    assert any("chrF" in one for one in suite.notes)
    assert any("outputPath" in one for one in suite.notes)


def test_it_runs(tmp_path: Path):
    folder(tmp_path)
    with outside(lambda document: '{"a": "Bonjour, Oui o"}') as fake:
        words = ("prompt", "test", "promptfooconfig.yaml", "--llm", fake.address, "--least", "0.6")
        said = inside(*words, cwd=tmp_path)
    assert "mini" in said and "80%" in said
    assert len(fake.asked) == 3 * 5 * 2 and fake.asked[0]["max_tokens"] == 50


def test_a_rubric_is_judged_by_the_model_that_is_named(tmp_path: Path):
    with outside(lambda d: '{"pass": true, "score": 1, "reason": "ok"}') as fake:
        whole: dict[str, Any] = {
            "prompts": ["Say {{x}}"],
            "providers": [
                {"id": "openai:m", "config": {"apiBaseUrl": fake.address, "cost": 0.001}}
            ],
            "tests": [
                {"vars": {"x": "a"}},
                {"vars": {"x": "b"}, "assert": [{"type": "cost", "threshold": 0.01}]},
            ],
            "defaultTest": {
                "assert": [{"type": "llm-rubric", "value": "It is kind."}],
                "options": {
                    "provider": {"id": "openai:judge", "config": {"apiBaseUrl": fake.address}}
                },
            },
        }
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(whole))
        found = run(load(tmp_path / "c.yaml"), tmp_path / "out")
        del whole["defaultTest"]["options"]
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(whole))
        alone = load(tmp_path / "c.yaml")
    assert found.passed() and {one["model"] for one in fake.asked} == {"m", "judge"}
    assert any("judges its own answers" in one for one in alone.notes)


def test_python_from_a_file_under_trust_alone(tmp_path: Path):
    (tmp_path / "checks.py").write_text(
        "def get_assert(output, context):\n"
        "    return {'pass': output == context['vars']['x'], 'score': 1.0, 'reason': 'r'}\n"
    )
    text = (
        "prompts: ['{{x}}']\nproviders: [ollama:chat:m]\ntests:\n"
        "  - {vars: {x: a}, assert: [{type: python, value: 'file://checks.py'}]}\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(CastaliaError, match="trust-code"):
        load(tmp_path / "c.yaml")
    suite = load(tmp_path / "c.yaml", trust=True)
    assert suite.models[0].llm == "http://localhost:11434/v1"


BASE = "prompts: ['{{x}}']\nproviders: [openai:m]\n"
REFUSED = [
    (BASE + "tests: [{vars: {x: a}, assert: [{type: javascript, value: 'output'}]}]", "JavaScript"),
    (BASE + "tests: [{vars: {x: a}, assert: [{type: python, value: 'output == 1'}]}]", "in a file"),
    (BASE + "tests: [{vars: {x: a}, assert: [{type: rouge-n, value: a}]}]", "rouge-n"),
    (
        BASE + "tests: [{vars: {x: a}, assert: [{type: equals, value: a, transform: t}]}]",
        "transform",
    ),
    (BASE + "tests: [{vars: {x: a}, options: {transform: t}}]", "options.transform"),
    (BASE + "tests: [{vars: {x: 'file://gen.js'}}]", "programs"),
    (BASE + "tests: 'file://gen.py'", "programs"),
    (BASE + "tests: [{vars: {x: a}, provider: y}]", "provider"),
    (BASE + "tests: []\nscenarios: []", "scenarios"),
    ("prompts: ['file://p.js']\nproviders: [openai:m]\ntests: [{vars: {}}]", "programs"),
    ("prompts: ['{{x}}']\nproviders: ['exec:python p.py']\ntests: [{vars: {x: a}}]", "exec"),
    (BASE + "tests: [{vars: {x: a}, assert: [{$ref: '#/assertionTemplates/no'}]}]", "type"),
    (BASE + "tests: {vars: [1]}", "promptfoo writes"),
    ("prompts: ['{{x}}']\nproviders: [{id: openai:m, config: {tools: []}}]\ntests: []", "tools"),
    ("prompts: ['{{x}}']\nproviders: [openai:m]\ntests: 5", "mapping"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_refused_is_named(text: str, words: str, tmp_path: Path):
    with pytest.raises(CastaliaError) as caught:
        converted(tmp_path, text)
    assert words in str(caught.value)


def test_files_of_several_prompts_and_shared_assertions(tmp_path: Path):
    (tmp_path / "prompts.txt").write_text("Say {{x}}\nloudly.\n---\nWhisper {{x}}\n---\n")
    text = (
        "prompts: [file://prompts.txt]\nproviders: [novita:chat:some/model]\n"
        "assertionTemplates: {pirate: {type: icontains, value: arrr}}\n"
        "tests: [{vars: {x: a}, assert: [{$ref: '#/assertionTemplates/pirate'}]}]\n"
    )
    suite = converted(tmp_path, text)
    assert [one.name for one in suite.prompts] == ["prompts 1", "prompts 2"]
    assert suite.prompts[0].body == "Say {{x}}\nloudly.\n"
    assert suite.models[0].model == "some/model" and suite.cases[0].asserts[0].value == "arrr"


def test_models_that_take_the_place_of_providers(tmp_path: Path):
    """What cannot be asked here does not stand in the way."""
    (tmp_path / "c.yaml").write_text(
        "prompts: ['Say {{x}}']\nproviders: ['exec:python p.py', 'bedrock:amazon.nova-lite-v1:0']\n"
        "tests: [{vars: {x: a}, assert: [{type: contains, value: a}]}]\n"
    )
    with outside(lambda document: "a") as fake:
        words = ("prompt", "test", "c.yaml", "--llm", fake.address, "--model", "m")
        inside(*words, cwd=tmp_path)
    assert len(fake.asked) == 1


def test_no_address_is_guessed(tmp_path: Path):
    with pytest.raises(RecipeError, match="no address"):
        converted(tmp_path, BASE + "tests: [{vars: {x: a}}]", llm="")
