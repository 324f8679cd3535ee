"""An answer with evidence, or none: what the passage says, in its own words, and where.

    answer = ask(desk, "How long does delivery take?", history=["Do you deliver to Basel?"])

An entry of a FAQ is quoted whole, a document in those of its sentences that the question is about.
Instructions inside a passage are quoted like anything else: nothing here obeys a text. `phrase` may
put a quotation in other words; phrasing.py holds it to what is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from castalia.apps.assistant import terms
from castalia.apps.assistant.desk import Desk
from castalia.apps.assistant.phrasing import Phrase, kept
from castalia.apps.assistant.reading import Passage
from castalia.errors import RecipeError
from castalia.language import Voice
from castalia.sentences import say, series

LONGEST = 4_000  # characters of a question
MOST_TURNS = 20  # of history that are looked at
QUOTED = 3  # sentences of a document
SHORT = 2  # content terms of a question that cannot stand alone

_HELLO = re.compile(
    r"(hi|hello|hey|good (morning|afternoon|evening)|thanks?( you)?( very much| so much)?|bye"
    r"|goodbye|您好|你好|早上好|下午好|晚上好|嗨|谢谢(你|您)?|多谢|再见|在吗)[\s!.,，。！~～?？]*",
    re.IGNORECASE,
)
_HUMAN = re.compile(
    r"\b(talk|speak|chat|connect me|transfer me|put me through)\b.{0,30}"
    r"\b(human|person|agent|someone|somebody|representative|operator)\b"
    r"|\b(a|real|live) (human|person|agent|operator)[\s.!,]*(please)?[\s.!,]*$"
    r"|^(human|agent)[\s.!]*$"
    r"|人工(客服|服务|坐席)?$|转人工|真人|找(个)?人工|人工客服",
    re.IGNORECASE,
)
_EMERGENCY = re.compile(
    r"\b(suicid\w*|kill(ing)? myself|end my life|overdos\w+|heart attack|having a stroke"
    r"|(can ?not|can'?t|cannot) breathe|not breathing|unconscious|bleeding (heavily|badly)"
    r"|(i am|i'm|was|been|got|being) (arrested|sued))\b"
    r"|自杀|自残|不想活|结束生命|心脏病发|心梗|中风了|无法呼吸|不能呼吸|喘不上气|昏迷|大出血"
    r"|服药过量|被捕|被逮捕|被起诉",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(it|its|they|them|their|that|this|those|these|one|there)\b"
    r"|^(and|what about|how about|why)\b"
    r"|它|那个|这个|那么|该|呢[?？]?$|^(那|还有|为什么)",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(is|are|do|does|did|can|could|will|would|has|have|should|so|isn't|aren't|doesn't|don't)\b"
    r"|吗|是不是|是否|对吧|有没有",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Citation:
    """passage: its number in the desk. quote: the words that were used. line, page: 0 where there
    is none.
    """

    passage: int
    source: str
    quote: str
    question: str
    heading: str
    line: int
    page: int


@dataclass(frozen=True)
class Answer:
    """kind: "answer", "contradicted" (the source says something else than the question took for
    granted), "declined", "greeting", "human" or "emergency". confidence: of the gate, from 0 to 1.
    """

    answered: bool
    answer: str
    citations: tuple[Citation, ...]
    confidence: float
    language: str
    kind: str

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "citations": [asdict(one) for one in self.citations]}


def ask(
    desk: Desk,
    question: str,
    history: Sequence[str] = (),
    *,
    phrase: Phrase | None = None,
    log: bool = True,
) -> Answer:
    """What the desk answers. history: what the same person asked before, the oldest first. Raises
    RecipeError for a question that is empty or too long.
    """
    question = question.strip()
    if not question:
        raise RecipeError(say("the question is empty"), "question", say("ask something"))
    if len(question) > LONGEST:
        raise RecipeError(
            say("the question is too long: {0:,} characters", len(question)),
            "question",
            say("{0:,} at most", LONGEST),
        )
    answer = _answer(desk, question, history, phrase)
    if log:
        desk.log(
            {
                "question": question,
                "answered": answer.answered,
                "kind": answer.kind,
                "answer": answer.answer,
                "confidence": round(answer.confidence, 4),
                "language": answer.language,
                "passages": [one.passage for one in answer.citations],
            }
        )
    return answer


def _answer(desk: Desk, question: str, history: Sequence[str], phrase: Phrase | None) -> Answer:
    asked = terms.language(question)
    language = asked or "en"
    voice = Voice("zh" if language == "zh" else "en")

    def plain(kind: str, *sentences: str, confidence: float = 0.0) -> Answer:
        text = (" " if voice.language == "en" else "").join(map(voice, sentences))
        return Answer(False, text, (), confidence, language, kind)

    to_human = [say("You can reach a person here: {0}", desk.human)] if desk.human else []
    if _EMERGENCY.search(question) and desk.human:
        return plain("emergency", say("This is a matter for a person, at once."), *to_human)
    if _HELLO.fullmatch(question):
        return plain("greeting", say("Hello! Ask me something: I answer from documents."))
    if _HUMAN.search(question):
        return plain(
            "human",
            *(to_human or [say("No person can be reached here; the owner has named none.")]),
        )
    if language not in desk.languages and asked:
        names = {"en": say("English"), "zh": say("Chinese")}
        known = [names.get(one, say("another language")) for one in desk.languages]
        return plain(
            "declined",
            say("I cannot answer in this language: my documents are in {0}.", series(known)),
            *to_human,
        )
    whole = _with_history(question, history[-MOST_TURNS:])
    found, confidence = desk.find(whole, language)
    if not found.order or confidence < desk.gate.threshold:
        return plain(
            "declined",
            say("I have found nothing in my documents that answers this."),
            *to_human,
            confidence=confidence,
        )
    number = found.order[0]
    passage = desk.passages[number]
    quote = _quote(passage, whole)
    text, kind = quote, "answer"
    if phrase is not None:
        text = kept(phrase(question, [quote]), [quote])
    if _contradicts(question, quote):
        text, kind = f"{voice(say('The source says something else:'))} {quote}", "contradicted"
    citation = Citation(
        number, passage.source, quote, passage.questions[0] if passage.questions else "",
        passage.heading, passage.line, passage.page,
    )  # fmt: skip
    return Answer(True, text, (citation,), confidence, language, kind)


def _with_history(question: str, history: Sequence[str]) -> str:
    """A question that leans on the one before it, with that one's words."""
    if not history:
        return question
    leans = _BACK.search(question) or len(set(terms.content(question))) <= SHORT
    return f"{history[-1][:LONGEST]} {question}" if leans else question


def _quote(passage: Passage, question: str) -> str:
    """An entry's answer; the sentences of a document that the question is about, as they stand."""
    if passage.questions:
        return passage.text
    sentences = terms.sentences(passage.text)
    asked = set(terms.content(question))
    shares = [len(asked & set(terms.content(one))) for one in sentences]
    best = max(range(len(sentences)), key=lambda place: (shares[place], -place))
    # with the sentences that follow: they often hold what the first announces
    chosen = [best, *(one for one in range(best + 1, best + QUOTED) if one < len(sentences))]
    last = max((one for one in chosen if shares[one]), default=best)
    picked = [sentences[one] for one in chosen if one <= max(last, best + (shares[best] < 2))]
    return ("" if passage.language == "zh" else " ").join(picked)


def _contradicts(question: str, quote: str) -> bool:
    """Whether a question that takes a number for granted meets another one of the same thing."""
    if not _YES_NO.search(question):
        return False
    said = terms.numbers(quote)
    for number, unit in terms.numbers(question):
        same = {value for value, of in said if of == unit and unit}
        if same and number not in same:
            return True
    return False
