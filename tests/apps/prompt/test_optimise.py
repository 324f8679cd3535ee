"""The search for a better prompt, with a model whose secret is known."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from castalia.apps.prompt import rewrites, template
from castalia.apps.prompt.models import ModelConfig
from castalia.apps.prompt.optimise import FEWEST, optimise, split
from castalia.apps.prompt.search_page import write
from castalia.apps.prompt.suite import load
from castalia.errors import DataError, RecipeError
from tests.apps.command import inside
from tests.outside_model import outside

BODY = "{{ how }}\nPlease say what comes after {{ n }}.\n"


def model(likes: str, by: float) -> Any:
    """Right four times in ten, and `by` more often where the prompt says what it likes; the same
    prompt and seed get the same answer.
    """

    def answers(document: dict[str, Any]) -> str:
        text = "\n".join(one["content"] for one in document["messages"])
        luck = hashlib.sha256(f"{text}{document['seed']}".encode()).digest()[0] / 256
        number = re.search(r"\d+", text)
        right = luck < 0.4 + by * (likes in text)
        return str(int(number[0]) + 1) if right and number else "I do not know"

    return answers


def suite(folder: Path, address: str, cases: Any = 80, **more: Any) -> Path:
    made = {
        "prompts": [
            {
                "name": "next",
                "body": BODY,
                "alternatives": {"how": ["Do it.", "Use one number.", "Be kind.", "Go."]},
            }
        ],
        "models": [{"llm": address, "model": "m"}],
        "defaults": {"assert": [{"type": "equals", "value": "{{ right }}"}]},
        "cases": cases
        if isinstance(cases, list)
        else [{"vars": {"n": n, "right": str(n + 1)}} for n in range(cases)],
        "optimise": {"rewrites": "none"},
        **more,
    }
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(made), encoding="utf-8")
    return path


def test_a_gain_is_found_and_written(tmp_path: Path):
    with outside(model("Use one number.", 0.5)) as fake:
        path = suite(tmp_path, fake.address)
        found = optimise(path, tmp_path / "out", calls=300)
        asked = len(fake.asked)
        write(found, tmp_path / "out")
        again = optimise(path, tmp_path / "out", calls=300)
    assert found.better and found.winner.changes == ("how: 'Use one number.'",)
    assert found.calls <= 300 and asked <= found.calls
    assert found.gain.low > 0 and found.gain.p < 0.05 and found.before.n == 40
    better = template.read(tmp_path / "out" / "next.prompt.md")
    assert better.render({"n": 1}).text.startswith("Use one number.")
    assert len(fake.asked) == asked, "the same search asks nothing again"
    assert (again.winner, again.gain, again.notes) == (found.winner, found.gain, found.notes)


def test_no_gain_where_there_is_none(tmp_path: Path):
    """All wordings are alike: whatever wins by luck does not hold."""
    gains = 0
    for seed in range(5):
        with outside(model("nothing", 0.0)) as fake:
            path = suite(tmp_path, fake.address, seed=seed)
            found = optimise(path, tmp_path / str(seed), calls=250, seed=seed)
        gains += found.better
        assert found.better or found.headline.startswith("No gain")
    assert gains <= 1


def asked_number(document: dict[str, Any]) -> int:
    found = re.search(r"\d+", document["messages"][-1]["content"])
    assert found is not None
    return int(found[0])


def turned_round(secret: Any, places: set[int]) -> Any:
    """`secret`, but on some cases what it likes is wrong and all else right."""

    def answers(document: dict[str, Any]) -> str:
        number = asked_number(document)
        if number not in places:
            return secret(document)
        return "?" if "one number" in document["messages"][-1]["content"] else str(number + 1)

    return answers


def test_the_held_out_cases_choose_nothing(tmp_path: Path):
    """What is right on the held-out part is turned round: the winner stays the same."""
    secret, winners = model("Use one number.", 0.5), []
    for name in ("plain", "turned"):
        (tmp_path / name).mkdir()
        with outside(secret) as fake:
            path = suite(tmp_path / name, fake.address)
            if name == "turned":
                whole = load(path)
                fake.answers = turned_round(
                    secret, {whole.cases[one].values["n"] for one in split(whole)[1]}
                )
            found = optimise(path, tmp_path / name / "out", calls=300)
        winners.append(found.winner)
    assert winners[0] == winners[1] and not found.better and found.gain.value < 0


def test_a_look_at_the_held_out_cases_is_counted(tmp_path: Path):
    with outside(model("Use one number.", 0.5)) as fake:
        path = suite(tmp_path, fake.address)
        assert optimise(path, tmp_path / "out", calls=300).notes == ()
        fake.answers = model("Be kind.", 0.5)
        (tmp_path / "out" / "answers.jsonl").unlink()
        found = optimise(path, tmp_path / "out", calls=300)
    assert "Be kind" in found.headline and any("judged 2 winners" in one for one in found.notes)


def test_examples_and_settings_are_searched(tmp_path: Path):
    body = "{% for one in examples %}{{ one.n }} {% endfor %}Say what comes after {{ n }}.\n"
    prompt = {"name": "shots", "body": body, "examples": [{"n": "a"}, {"n": "b"}, {"n": "c"}]}

    def answers(document: dict[str, Any]) -> str:
        text = document["messages"][-1]["content"]
        good = text.startswith("c ") and document.get("temperature") == 0.5
        return str(asked_number(document) + 1) if good else "?"

    with outside(answers) as fake:
        more = {"rewrites": "none", "shots": [1], "temperature": [0.1, 0.5]}
        path = suite(tmp_path, fake.address, prompts=[prompt], optimise=more)
        found = optimise(path, tmp_path / "out", calls=500)
    assert found.better and found.best.head.shots == 1
    assert found.best.head.examples[0] == {"n": "c"} and found.best.head.sampling.temperature == 0.5


def test_a_language_model_proposes(tmp_path: Path):
    good = "{{ how }}\nUse one number: {{ n }} and?"
    bodies = [good, "no variables", "{{ how }} {{ n }} {{ evil }}"]
    with (
        outside(model("Use one number", 0.55)) as fake,
        outside(lambda document: f"Here: {json.dumps(bodies)}") as proposer,
    ):
        plain = [{"name": "next", "body": BODY, "alternatives": {"how": ["Do it."]}}]
        path = suite(tmp_path, fake.address, prompts=plain)
        config = ModelConfig(llm=proposer.address, model="p")
        found = optimise(path, tmp_path / "out", calls=300, proposer=config)
    assert found.better and found.winner.changes == ("proposal 1",)
    assert found.best.body == good and any("1 usable" in one for one in found.notes)
    shown = proposer.asked[0]["messages"][0]["content"]
    held_out = {load(path).cases[one].values["n"] for one in split(load(path))[1]}
    told = {int(one) for one in re.findall(r"after (\d+)", shown)}
    assert told and not told & held_out, "it sees development cases alone"


def test_the_split_is_of_cases_and_not_of_rows(tmp_path: Path):
    path = suite(tmp_path, "http://h/v1", 40)
    whole = load(path)
    one, two = split(whole)
    assert sorted(one + two) == list(range(40)) and len(two) == 20
    twice = [{"vars": {"n": n % 20, "right": "1"}} for n in range(40)]
    doubled = load(suite(tmp_path, "http://h/v1", twice))
    sides = [{doubled.cases[one].values["n"] for one in side} for side in split(doubled)]
    assert not sides[0] & sides[1], "equal cases are on one side"
    assert split(whole, 1) != split(whole)
    with pytest.raises(DataError, match="too few"):
        split(load(suite(tmp_path, "http://h/v1", FEWEST)))


def test_an_end_by_the_clock(tmp_path: Path):
    with outside(model("Use one number.", 0.5)) as fake:
        path = suite(tmp_path, fake.address)
        found = optimise(path, tmp_path / "out", calls=300, minutes=0.0)
    assert any("time was over" in one for one in found.notes)
    assert len(found.rounds) == 1 and found.winner.changes == (), "only that had been asked"
    assert found.gain.n == 40, "it is judged all the same"


def test_what_is_asked_for_wrongly(tmp_path: Path):
    path = suite(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(RecipeError, match="too few"):
        optimise(path, tmp_path / "out", calls=82)
    with pytest.raises(RecipeError, match="one prompt"):
        optimise(path, tmp_path / "out", prompt="other")
    two = [ModelConfig(llm="http://h/v1", model=name) for name in "ab"]
    with pytest.raises(RecipeError, match="one model"):
        optimise(path, tmp_path / "out", models=two)


def test_rules_keep_variables_and_roles():
    bodies = [
        "Please answer: {{ q }}\n",
        "[system]\nYou help.\n[user]\nThe question is below.\n\n{{ q }}\n",
        "请回答下面的问题：\n{{ q }}\n",
        "[user]\n{% for e in examples %}{{ e }}{% endfor %}\n{{ q }}\n",
        "{{ q }}\n[assistant]\nIt is",
        "",
    ]
    for body in bodies:
        before = template.parse(body, "p")
        for name, made in rewrites.rewritten(body, ["q"]):
            after = template.parse(made, "p")
            assert after.names() == before.names(), (name, made)
            values = {"q": "w"} if "q" in before.names() else {}
            old = [one["role"] for one in before.render(values).messages]
            new = [one["role"] for one in after.render(values).messages]
            assert [one for one in new if one != "system"] == [
                one for one in old if one != "system"
            ]
    changed = dict(rewrites.rewritten(bodies[0], ["q"]))
    assert changed["without politeness"] == "Answer: {{ q }}\n"
    assert changed["step by step"].endswith("then give the answer.\n")
    chinese = dict(rewrites.rewritten(bodies[2], ["q"]))
    assert (
        chinese["without politeness"].startswith("回答")
        and '"""\n{{ q }}' in chinese["values between marks"]
    )


def test_the_command(tmp_path: Path):
    with outside(model("Use one number.", 0.5)) as fake:
        suite(tmp_path, fake.address)
        words = ("prompt", "optimise", "suite.yaml", "--calls", "300")
        said = inside(*words, cwd=tmp_path)
        chinese = inside(*words, "--lang", "zh", cwd=tmp_path)
    assert "A gain of" in said and "next.prompt.md" in said
    assert "提升" in chinese
    page = (tmp_path / "suite-better" / "search.html").read_text(encoding="utf-8")
    assert "Use one number." in page and 'lang="zh-Hans"' in page
