"""Rules that reword a prompt: candidates for optimise.py, which finds out whether one helps.

Each takes a body and gives another one, or None where it has nothing to change. They are what
guides to prompting recommend and what studies have found to matter: a request for steps (Kojima et
al. 2022, arXiv:2205.11916), reading the question twice (Xu et al. 2024, arXiv:2309.06275), the
order of parts (Sclar et al. 2024, arXiv:2310.11324, who also show that nobody can tell in advance
which form is better). English and Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from castalia.sentences import say

Rule = Callable[[str], str | None]
_MARK = re.compile(r"^[ \t]*\[(system|user|assistant)\][ \t]*$", re.MULTILINE)
_HAN = re.compile(r"[\u3400-\u9fff]")
_ALONE = re.compile(r"^[ \t]*(\{\{\s*(\w+)\s*\}\})[ \t]*$", re.MULTILINE)
_POLITE = re.compile(r"\b(could you |would you |can you )?(please|kindly),? ?", re.IGNORECASE)
_PLEASE = re.compile(r"(麻烦您?|请您?|劳驾)(?!问)")
_BLOCK = re.compile(r"\{%.*?%\}", re.DOTALL)


def rewritten(body: str, values: Collection[str]) -> Iterator[tuple[str, str]]:
    """(name of the rule, another body) of every rule that changes something. values: names of the
    variables, which are put between marks.
    """
    if not body.strip():  # of a prompt that tells no words
        return
    seen = {body}
    rules = {**RULES, say("values between marks"): lambda body: _marked(body, values)}
    for name, rule in rules.items():
        made = rule(body)
        if made is not None and made not in seen:
            seen.add(made)
            yield name, made


def _added(english: str, chinese: str) -> Rule:
    """A rule that ends the user's last turn with a sentence."""

    def rule(body: str) -> str | None:
        words = chinese if _HAN.search(body) else english
        if words in body or _last_role(body) != "user":
            return None
        return f"{body.rstrip()}\n{words}\n"

    return rule


def _last_role(body: str) -> str:
    marks = _MARK.findall(body)
    return marks[-1] if marks else "user"


def _turn(body: str, change: Callable[[str], str | None]) -> str | None:
    """`change` of the user's last turn; None where it is written by a loop or not the last one."""
    marks = list(_MARK.finditer(body))
    start = marks[-1].end() + 1 if marks else 0
    if _last_role(body) != "user" or _BLOCK.search(body[start:]):
        return None
    made = change(body[start:])
    return None if made is None else body[:start] + made


def _plain(body: str) -> str | None:
    made = _PLEASE.sub("", _POLITE.sub("", body))
    made = re.sub(r"(^|[.!?]\s+)([a-z])", lambda m: m[1] + m[2].upper(), made, flags=re.MULTILINE)
    return made if (made != body and _POLITE.search(body)) or _PLEASE.search(body) else None


def _marked(body: str, values: Collection[str]) -> str | None:
    """Values that stand on a line of their own between lines of quotation marks."""

    def quoted(match: re.Match[str]) -> str:
        return f'"""\n{match[1]}\n"""' if match[2] in values else match[0]

    return None if '"""' in body else _turn(body, lambda turn: _ALONE.sub(quoted, turn))


def _last_first(turn: str) -> str | None:
    parts = [part for part in re.split(r"\n\s*\n", turn.strip()) if part]
    if len(parts) < 2:
        parts = [part for part in turn.strip().split("\n") if part.strip()]
        return "\n".join([parts[-1], *parts[:-1]]) + "\n" if len(parts) > 1 else None
    return "\n\n".join([parts[-1], *parts[:-1]]) + "\n"


def _again(turn: str) -> str | None:
    values = re.findall(r"\{\{[^{}]*\}\}", turn)
    if not values:
        return None
    words = "再读一遍" if _HAN.search(turn) else "Read it again"
    return f"{turn.rstrip()}\n{words}: {values[-1]}\n"


def _cue(turn: str) -> str | None:
    cue = "回答：" if _HAN.search(turn) else "Answer:"
    return None if turn.rstrip().endswith(cue) else f"{turn.rstrip()}\n{cue}"


def _role(body: str) -> str | None:
    words = "你是一位认真的专家。" if _HAN.search(body) else "You are a careful expert."
    if words in body:
        return None
    mark = _MARK.search(body)
    if mark is None:
        return f"{words}\n{body}"
    if mark[1] == "system":
        return f"{body[: mark.end()]}\n{words}{body[mark.end() :]}"
    begin = f"[system]\n{words}\n"
    return f"{begin}[user]\n{body}" if body[: mark.start()].strip() else begin + body


RULES: dict[str, Rule] = {
    say("the answer alone"): _added(
        "Give the answer alone, without an introduction.", "只给出答案，不要开场白。"
    ),
    say("step by step"): _added(
        "Think step by step, then give the answer.", "请一步一步思考，然后给出答案。"
    ),
    say("a check"): _added("Check your answer before you give it.", "给出答案之前请检查一遍。"),
    say("an expert"): _role,
    say("the last part first"): lambda body: _turn(body, _last_first),
    say("the question twice"): lambda body: _turn(body, _again),
    say("a cue for the answer"): lambda body: _turn(body, _cue),
    say("without politeness"): _plain,
}
