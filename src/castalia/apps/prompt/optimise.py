"""`castalia prompt optimise`: a better wording, better examples, better settings, or "no gain".

The cases are split once, by a hash of what they say: candidates are chosen on the development part
alone, and the winner is judged on the held-out part against the prompt as it was, once, case by
case (paired_tests.py). A gain is said where the exact test is below 5% and the interval of the
gain lies above 0; where the search found nothing, or nothing that holds, it says so.

Candidates are the prompt's own alternatives, rules of rewrites.py, choices and orders of examples,
settings of sampling, proposals of a language model where one is given, and combinations of these.
The search is successive halving (Karnin, Koren & Somekh 2013; Jamieson & Talwalkar 2016,
arXiv:1502.07943): all candidates answer a few cases, the better half answers more, and so on, so
most of the budget goes to those that are hard to tell apart. The prompt as it is stays in until the
end. A call is one answer of the tested model, whether it was kept from before or not, so the same
seed and budget give the same result.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.apps.prompt import template
from castalia.apps.prompt.answers import Answers, Question
from castalia.apps.prompt.matrix import Desk
from castalia.apps.prompt.models import ModelConfig, model_of
from castalia.apps.prompt.outcomes import Cell
from castalia.apps.prompt.paired_tests import Gain, Share, gain, share
from castalia.apps.prompt.rewrites import rewritten
from castalia.apps.prompt.suite import Case, Suite, load
from castalia.apps.prompt.template import Choice, Prompt, Rendered, Sampling
from castalia.apps.prompt.text_kinds import values_in
from castalia.errors import CastaliaError, DataError, RecipeError
from castalia.evaluation.exact_tests import LEVEL
from castalia.language import Voice
from castalia.sentences import join, plural, say, series

SCHEMA = 1
FEWEST = 6  # cases of each part
FIRST = 4  # cases that the first round asks, at least
MOST = 256  # candidates
ORDERS = 6  # choices and orders of examples, for each number of them
PROPOSALS = 6
FAILURES = 3  # that a proposing model is shown, from the development part
ASK = (
    "Improve a prompt template. Reply with one JSON list of {0} different templates, as strings, "
    "and nothing else. Keep every placeholder such as {{{{ name }}}} and every line such as "
    "[system] or [user] exactly as it is; change only the words around them.\n\n"
    "The template:\n{1}\n\nAnswers that failed:\n{2}"
)


@dataclass(frozen=True)
class Candidate:
    """changes: what differs from the prompt as it is, in words; empty for that itself."""

    choice: Choice
    changes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        return series(self.changes) if self.changes else say("as it is")


@dataclass(frozen=True)
class Round:
    """cases: how many each candidate has answered by then; shares: of each candidate."""

    cases: int
    shares: tuple[tuple[Candidate, float], ...]


@dataclass(frozen=True)
class Found:
    """The end of a search. before, after, gain: on the held-out cases, of the prompt as it was and
    of the winner. calls: answers that were used.
    """

    suite: Suite
    prompt: Prompt
    winner: Candidate
    rounds: tuple[Round, ...]
    before: Share
    after: Share
    gain: Gain
    development: int
    calls: int
    notes: tuple[str, ...] = field(default=())

    @property
    def better(self) -> bool:
        """Whether the winner is shown to be better than the prompt as it was."""
        return bool(self.winner.changes) and self.gain.p <= LEVEL and self.gain.low > 0

    @property
    def best(self) -> Prompt:
        return template.applied(self.prompt, self.winner.choice)

    @property
    def headline(self) -> str:
        """The verdict and its figures."""
        return join([self.verdict, self.figures])

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.winner.changes:
            return say("No gain: nothing did better than the prompt as it is.")
        if self.better:
            return say("A gain of {0:.0%}: {1}.", self.gain.value, self.winner.words)
        return say("No gain is shown; the best was: {0}.", self.winner.words)

    @property
    def figures(self) -> str:
        """What the held-out cases say of the winner; "" where that is the prompt as it is."""
        if not self.winner.changes:
            return ""
        return say(
            "{0:.0%} instead of {1:.0%} of {2} held-out cases; gain {3:+.0%}, between {4:+.0%} and "
            "{5:+.0%}, p = {6:.2g}.",
            *(self.after.value, self.before.value, self.gain.n),
            *(self.gain.value, self.gain.low, self.gain.high, self.gain.p),
        )

    def document(self, language: str = "en") -> dict[str, Any]:
        """JSON: everything that the page shows."""
        made = {
            "schema": SCHEMA,
            "suite": self.suite.name,
            "prompt": {"name": self.prompt.name, "version": self.prompt.version},
            "headline": self.headline,
            "better": self.better,
            "winner": {
                "changes": list(self.winner.changes),
                "version": self.best.version,
                **self.winner.choice.document(),
            },
            "before": asdict(self.before),
            "after": asdict(self.after),
            "gain": asdict(self.gain),
            "development": self.development,
            "held_out": self.gain.n,
            "calls": self.calls,
            "rounds": [
                {
                    "cases": one.cases,
                    "candidates": [
                        {"changes": list(who.changes), "share": round(value, 4)}
                        for who, value in one.shares
                    ],
                }
                for one in self.rounds
            ],
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = Voice(language).plain(made)
        return plain


def optimise(
    suite: Path | Suite,
    out: Path,
    *,
    prompt: str = "",
    models: Sequence[ModelConfig] = (),
    proposer: ModelConfig | None = None,
    calls: int = 500,
    minutes: float | None = None,
    seed: int = 0,
    trust: bool = False,
    together: int = 4,
) -> Found:
    """Search for a better version of one prompt with one model. prompt: its name, of several.
    proposer: a language model that proposes wordings. minutes: an end by the clock, after which the
    best until then is judged.

    Raises RecipeError, DataError for too few cases or calls, OutsideModelError as `test` does.
    """
    whole = (suite if isinstance(suite, Suite) else load(suite, trust=trust)).with_models(models)
    own = _chosen(whole, prompt)
    development, held_out = split(whole, seed)
    answers = Answers(out)
    desk = Desk(whole, answers, trust)
    search = _Search(desk, own, development, seed, together, minutes)
    left = calls - 2 * len(held_out) * whole.repeat
    if left < 4 * FIRST * whole.repeat:
        raise RecipeError(
            say("{0:,} calls are too few", calls),
            "--calls",
            say(
                "at least {0:,}: {1} cases are held out, and both prompts answer them",
                *((2 * len(held_out) + 4 * FIRST) * whole.repeat, len(held_out)),
            ),
        )
    proposals = _proposals(search, proposer) if proposer is not None else []
    winner = search.halve(_pool(whole, own, proposals, random.Random(seed)), left)
    pair = [(own, Choice()), (replace(own, name=f"{own.name} *"), winner.choice)]
    before, after = (one.scores for one in desk.cells(pair, held_out, together))
    looks = _looks(out, whole, held_out, template.applied(own, winner.choice).version)
    notes = [*whole.notes, *search.notes]
    if looks > 1:
        notes.append(
            say(
                "These held-out cases have now judged {0} winners: each look makes a lucky one "
                "likelier. Judge the next by new cases.",
                looks,
            )
        )
    return Found(
        suite=whole,
        prompt=own,
        winner=winner,
        rounds=tuple(search.rounds),
        before=share(before),
        after=share(after),
        gain=gain(before, after, seed),
        development=len(development),
        calls=search.calls + 2 * len(held_out) * whole.repeat,
        notes=tuple(notes),
    )


def split(suite: Suite, seed: int = 0) -> tuple[list[int], list[int]]:
    """(development, held-out) places of cases: a function of the seed and of what each case says,
    so that equal cases are on one side. Raises DataError for too few of them.
    """
    digests = [
        hashlib.sha256(
            json.dumps([seed, one.values], sort_keys=True, default=str).encode()
        ).digest()
        for one in suite.cases
    ]
    ordered = sorted(set(digests))
    held = set(ordered[: round(len(ordered) * suite.search.held_out)])
    sides: tuple[list[int], list[int]] = ([], [])
    for place in sorted(range(len(digests)), key=lambda place: digests[place][::-1]):
        sides[digests[place] in held].append(place)
    if min(map(len, sides)) < FEWEST:
        raise DataError(
            plural(
                "{0} case is too few to search with",
                "{0} cases are too few to search with",
                len(suite.cases),
            ),
            suite.name,
            say("at least {0} of each part, better 50: {1} and {2}", FEWEST, *map(len, sides)),
        )
    return sides


def _chosen(suite: Suite, name: str) -> Prompt:
    if len(suite.models) != 1:
        raise RecipeError(
            say("a prompt is improved for one model, and the suite names {0}", len(suite.models)),
            suite.name,
            say("--run RUN, or --llm ADDRESS --model NAME"),
        )
    found = [one for one in suite.prompts if not name or one.name == name]
    if len(found) != 1:
        raise RecipeError(
            say("one prompt is improved at a time"),
            suite.name,
            say("--prompt NAME, one of: {0}", ", ".join(one.name for one in suite.prompts)),
        )
    return found[0]


# Candidates --------------------------------------------------------------------------------------


def _pool(
    suite: Suite, prompt: Prompt, proposals: Sequence[str], rng: random.Random
) -> Iterator[Candidate]:
    """The prompt as it is, then every single change in a random order, then combinations of two and
    more without end.
    """
    yield Candidate(Choice())
    dimensions = [one for one in _dimensions(suite, prompt, proposals, rng) if one]
    singles = [one for dimension in dimensions for one in dimension]
    rng.shuffle(singles)
    yield from singles
    seen = {json.dumps(one.choice.document(), sort_keys=True) for one in singles}
    for _ in range(20 * MOST if len(dimensions) > 1 else 0):
        count = rng.randint(2, len(dimensions))
        parts = [rng.choice(one) for one in rng.sample(dimensions, count)]
        made = Candidate(_joined(parts), tuple(word for one in parts for word in one.changes))
        key = json.dumps(made.choice.document(), sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield made


def _dimensions(
    suite: Suite, prompt: Prompt, proposals: Sequence[str], rng: random.Random
) -> Iterator[list[Candidate]]:
    """What may be changed independently of the rest, each with its changes."""
    search, head = suite.search, prompt.head
    for name, texts in head.alternatives.items():
        yield [
            Candidate(Choice({name: place}), (say("{0}: '{1}'", name, texts[place][:60]),))
            for place in range(1, len(texts))
        ]
    bodies = list(rewritten(prompt.body, prompt.variables)) if search.rewrites == "all" else []
    bodies += [(say("proposal {0}", number), body) for number, body in enumerate(proposals, 1)]
    yield [Candidate(Choice(body=body), (name,)) for name, body in bodies]
    yield list(_shots(prompt, search.shots, rng))
    for setting in ("temperature", "top_p"):
        values = [one for one in getattr(search, setting) if one != getattr(head.sampling, setting)]
        yield [
            Candidate(Choice(sampling=Sampling(**{setting: one})), (f"{setting}={one:g}",))
            for one in values
        ]


def _shots(prompt: Prompt, counts: Sequence[int], rng: random.Random) -> Iterator[Candidate]:
    """Other numbers of examples, and other choices and orders of them."""
    total = len(prompt.head.examples) if "examples" in prompt.body else 0
    now = tuple(range(total if prompt.head.shots is None else min(prompt.head.shots, total)))
    sizes = sorted({one for one in counts if one <= total} or {0, len(now), total})
    for size in sizes if total else []:
        for shots in _orders(total, size, rng):
            if shots != now:
                places = ", ".join(str(place + 1) for place in shots) or say("none")
                yield Candidate(Choice(shots=shots), (say("examples {0}", places),))


def _orders(total: int, size: int, rng: random.Random) -> list[tuple[int, ...]]:
    """All choices of examples in all orders where these are few, else some at random."""
    if math.perm(total, size) <= ORDERS:
        return list(permutations(range(total), size))
    return list({tuple(rng.sample(range(total), size)): None for _ in range(ORDERS)})


def _joined(parts: Sequence[Candidate]) -> Choice:
    made = Choice()
    for one in parts:
        choice = one.choice
        made = Choice(
            {**made.wordings, **choice.wordings},
            made.shots if choice.shots is None else choice.shots,
            choice.sampling.over(made.sampling),
            made.body if choice.body is None else choice.body,
        )
    return made


def _proposals(search: _Search, config: ModelConfig) -> list[str]:
    """Bodies that a language model proposes, each with the variables of the prompt."""
    desk, prompt = search.desk, search.prompt
    model = model_of(config, desk.suite.base)
    failed = []
    for one in search.cell(Candidate(Choice()), search.order[:FIRST]).outcomes:
        if not one.passed and len(failed) < FAILURES:
            why = [f"{made.title}: {v.words}" for made, v in one.verdicts if not v.passed]
            failed.append(
                f"- {one.question[:400]}\n  -> {one.answer.text[:400]} ({'; '.join(why)})"
            )
    text = ASK.format(PROPOSALS, prompt.body, "\n".join(failed) or "-")
    asked = Rendered(({"role": "user", "content": text},), {}, Sampling(temperature=0.7))
    answer = desk.answers.get(Question(model, asked, 0))
    listed = next((one for one in values_in(answer.text) if isinstance(one, list)), [])
    found = [one for one in listed if isinstance(one, str) and one != prompt.body]
    good = [one for one in dict.fromkeys(found) if _same_variables(prompt, one)]
    if len(good) < PROPOSALS:
        search.notes.append(
            say("{0} made {1} usable proposals of {2}", model.name, len(good), PROPOSALS)
        )
    return good


def _same_variables(prompt: Prompt, body: str) -> bool:
    made = replace(prompt, body=body)
    try:
        template.verify(made)
    except CastaliaError:
        return False
    return made.names() == prompt.names()


# The search --------------------------------------------------------------------------------------


class _Search:
    """Successive halving on the development cases. order: their places, in the order in which they
    are asked.
    """

    def __init__(
        self,
        desk: Desk,
        prompt: Prompt,
        development: Sequence[int],
        seed: int,
        together: int,
        minutes: float | None,
    ) -> None:
        self.desk, self.prompt, self.together = desk, prompt, together
        self.order = list(development)
        random.Random(seed).shuffle(self.order)
        self.until = math.inf if minutes is None else time.monotonic() + 60 * minutes
        self.rounds: list[Round] = []
        self.notes: list[str] = []
        self._asked: dict[str, int] = {}

    @property
    def calls(self) -> int:
        """Answers that were used."""
        return sum(self._asked.values()) * self.desk.suite.repeat

    def cell(self, one: Candidate, cases: Sequence[int]) -> Cell:
        key = json.dumps(one.choice.document(), sort_keys=True)
        self._asked[key] = max(self._asked.get(key, 0), len(cases))
        return self.desk.cells([(self.prompt, one.choice)], cases, self.together)[0]

    def halve(self, pool: Iterator[Candidate], calls: int) -> Candidate:
        """The best candidate within so many calls; of equals the earlier one, the prompt as it is
        first of all.
        """
        repeat = self.desk.suite.repeat
        budget = calls // repeat
        alive = self._first(pool, budget)
        base = best = alive[0]
        rounds, done, over = max(1, math.ceil(math.log2(len(alive)))), 0, False
        for number in range(rounds):
            left = (budget - self.calls // repeat) // (rounds - number)
            done = min(len(self.order), done + max(1, left // len(alive)))
            scored: list[tuple[Candidate, float]] = []
            for one in alive:
                over = bool(scored) and time.monotonic() > self.until
                if over:
                    self.notes.append(say("The time was over before the search was."))
                    break
                scores = self.cell(one, self.order[:done]).scores
                scored.append((one, sum(scores) / len(scores)))
            scored.sort(key=lambda pair: (-pair[1], bool(pair[0].changes)))  # stable
            self.rounds.append(Round(done, tuple(scored)))
            best = scored[0][0]
            kept = [one for one, _ in scored[: max(1, len(alive) // 2)]]
            if over or len(kept) == 1:
                break
            alive = kept if base in kept else [*kept, base]
        return best

    def _first(self, pool: Iterator[Candidate], budget: int) -> list[Candidate]:
        """As many candidates as the budget can halve, each with FIRST cases to begin with."""
        first = min(FIRST, len(self.order))
        count = 2
        while (
            count < MOST and 2 * count * first * max(1, math.ceil(math.log2(2 * count))) <= budget
        ):
            count *= 2
        found = [one for one, _ in zip(pool, range(count), strict=False)]
        if len(found) < 2:
            self.notes.append(say("There was nothing to change: no alternatives and no rule fits."))
        return found


def _looks(out: Path, suite: Suite, held_out: Sequence[int], version: str) -> int:
    """How many different winners these held-out cases have judged, this one included."""
    from castalia import bounded

    path = out / "held_out.json"
    cases: list[Case] = [suite.cases[place] for place in sorted(held_out)]
    text = json.dumps([one.values for one in cases], sort_keys=True, default=str)
    key = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    looks: dict[str, Any] = {}
    if path.is_file():
        read = bounded.parse_json(bounded.read_text(path, "settings_bytes"), path.name)
        looks = read if isinstance(read, dict) else {}
    winners = [one for one in looks.get(key, []) if isinstance(one, str)]
    looks[key] = winners if version in winners else [*winners, version]
    atomic.write_json(path, looks)
    return len(looks[key])
