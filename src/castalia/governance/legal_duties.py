"""Transparency duties of the EU AI Act and of China's labelling measures, each answered from known
facts, or marked open.

    EU     Regulation (EU) 2024/1689 (AI Act), Article 50: applies since 2 August 2026; by the
           "Digital Omnibus" (adopted by the Council on 29 June 2026) systems on the market before
           that day have until 2 December 2026 for Article 50(2). Code of Practice on Transparency
           of AI-Generated Content, 10 June 2026 (voluntary): measures 1.1.1 to 1.1.3 and 1.2, as
           IPTC reports them, https://iptc.org/news/eu-ai-transparency-code-of-practice-june-2026/
    China  人工智能生成合成内容标识办法 (国信办通字〔2025〕2号), in force since 1 September 2025,
           articles 4, 5, 8, 9, 10, 12; and GB 45438-2025, annex E. The field layout is read from
           implementations in public use and from TC260's practice guide as they quote it, not from
           the standard's own text. Check the text before you rely on it.

This is a checklist of facts, not legal advice. "Open" means that the software cannot know: the
answer lies in how a model is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from castalia.sentences import say

State = Literal["met", "partly", "open"]
Switch = Literal[
    "on", "off", "none"
]  # by the policy; off, but the policy could; not for such items


@dataclass(frozen=True)
class Known:
    """The facts that the answers rest on. embedded: manifests lie inside the files; released:
    ledger lines; intact: of the ledger, None without one; watermark, signature, label: in the
    content, in the file, for people.
    """

    embedded: bool
    labelled: bool
    released: int
    intact: bool | None
    producer: str
    watermark: Switch = "off"
    signature: Switch = "off"
    label: Switch = "off"


@dataclass(frozen=True)
class Duty:
    """One point: where it stands, what it asks, how it stands here. Sentences, to be translated."""

    where: str
    asks: str
    state: State
    answer: str


def european(known: Known) -> list[Duty]:
    """Article 50 of the AI Act, and the marking measures of the Code of Practice."""
    return [
        Duty(
            "Art. 50(1)",
            say("People are told that they deal with an AI system"),
            "open",
            say("depends on the application around the model"),
        ),
        Duty(
            "Art. 50(2)",
            say("Outputs are marked in a machine-readable format"),
            *_marked(known),
        ),
        Duty(
            "Art. 50(2)",
            say("Outputs are detectable as generated; the solution is robust"),
            "partly",
            say(
                "`castalia verify` detects a file with its manifest, `castalia detect` a watermark "
                "after re-saving; docs/watermark.md says what removes it"
            )
            if known.watermark == "on"
            else say(
                "`castalia verify` detects a file with its manifest; re-saving a file "
                "removes it, and nothing is hidden in the content itself"
            ),
        ),
        Duty(
            "Code 1.1.1",
            say("Metadata are digitally signed and time-stamped"),
            *_signed(known),
        ),
        Duty("Code 1.1.2", say("An imperceptible watermark"), *_watermarked(known)),
        Duty(
            "Code 1.1.3",
            say("Fingerprints or logs of outputs (optional)"),
            *_logged(known),
        ),
        Duty(
            "Code 1.2",
            say("Markings of inputs are kept, not removed"),
            "partly" if known.signature == "on" else "open",
            say(
                "an edit keeps the signed claims of its inputs as ingredients; other marks inside "
                "them are not carried over"
            )
            if known.signature == "on"
            else say(
                "an edit records the hash of its inputs; marks inside them are not carried over"
            ),
        ),
        Duty(
            "Art. 50(3)",
            say("People exposed to emotion recognition or biometric categorisation are told"),
            "open",
            say(
                "this model generates; whether the application recognises people is not known here"
            ),
        ),
        Duty(
            "Art. 50(4)",
            say("Deep fakes, and texts on matters of public interest, are disclosed"),
            "open",
            say("depends on what is published, and on whether an editor answers for it"),
        ),
        Duty(
            "Art. 50(5)",
            say("The information is clear, distinguishable and accessible, at first contact"),
            "open",
            say("depends on the application around the model"),
        ),
    ]


def chinese(known: Known) -> list[Duty]:
    """The labelling measures, and the implicit label of GB 45438-2025."""
    return [
        Duty(
            "第四条",
            say("An explicit label that people can see or hear, also in what is downloaded"),
            *_visible(known),
        ),
        Duty(
            "第五条",
            say("Implicit label in the metadata: that the content is generated"),
            *_label(known),
        ),
        Duty(
            "第五条",
            say("Implicit label: name or code of the service provider"),
            "met" if known.producer else "open",
            say("ContentProducer: {0}", known.producer)
            if known.producer
            else say("empty: set `producer` in the policy file"),
        ),
        Duty(
            "第五条",
            say("Implicit label: a number of the content"),
            *_label(known, "ProduceID"),
        ),
        Duty("第五条", say("A digital watermark (encouraged)"), *_watermarked(known)),
        Duty(
            "第八条",
            say("The user agreement explains the labels"),
            "open",
            say("a document of the service, not known here"),
        ),
        Duty(
            "第九条",
            say(
                "Content without an explicit label goes out only by agreement; logs are "
                "kept for six months"
            ),
            "open",
            say("the ledger keeps what was released, not to whom; keep both for six months"),
        ),
        Duty(
            "第十条",
            say("Labels are not removed, altered, forged or hidden"),
            "partly",
            say(
                "`castalia verify` finds a changed manifest, and a removed one where the "
                "run's ledger is here; nothing prevents either"
            ),
        ),
        Duty(
            "第十二条",
            say("Labelling documents for algorithm filing and security assessment"),
            "open",
            say("this card may be part of them"),
        ),
    ]


def _marked(known: Known) -> tuple[State, str]:
    if known.labelled:
        return "met", say(
            "each file holds XMP with IPTC's DigitalSourceType trainedAlgorithmicMedia, "
            "and a manifest"
        )
    if known.embedded:
        return "partly", say(
            "each file holds a manifest that says `synthetic`, in a format of our own"
        )
    return "partly", say(
        "a manifest lies beside each file (.json) and says `synthetic`; text that is "
        "copied loses it"
    )


def _watermarked(known: Known) -> tuple[State, str]:
    answers: dict[Switch, tuple[State, str]] = {
        "on": (
            "partly",
            say("put on by the policy; items that are too small or too short have none"),
        ),
        "off": ("open", say("there is none: set `watermark` in the policy file")),
        "none": ("open", say("there is none for items of this kind")),
    }
    return answers[known.watermark]


def _signed(known: Known) -> tuple[State, str]:
    answers: dict[Switch, tuple[State, str]] = {
        "on": (
            "partly",
            say(
                "each file holds a signed claim (C2PA); its time is this machine's own, without a "
                "time-stamping authority, and a certificate of one's own is not known to others"
            ),
        ),
        "off": (
            "open",
            say("there is no signature: `castalia keys new`, and `credentials` in the policy file"),
        ),
        "none": (
            "open",
            say("a manifest has a time and a hash of itself; files of this kind hold no signature"),
        ),
    }
    return answers[known.signature]


def _visible(known: Known) -> tuple[State, str]:
    answers: dict[Switch, tuple[State, str]] = {
        "on": (
            "partly",
            say(
                "put on by the policy: words in a corner, in a first line or in the first two "
                "seconds, or a rhythm before a sound; items that are too small have none, and how "
                "an application shows them is not known here"
            ),
        ),
        "off": ("open", say("none is added to the content: set `labels` in the policy file")),
        "none": ("open", say("there is none for items of this kind")),
    }
    return answers[known.label]


def _label(known: Known, name: str = "Label") -> tuple[State, str]:
    value = "Label=1" if name == "Label" else name
    if known.labelled:
        return "met", say("`TC260:AIGC` in the XMP of each file: {0}", value)
    return "partly", (
        say("`AIGC` inside each file: {0}; the format's own metadata have no place for it", value)
        if known.embedded
        else say(
            "`AIGC` in the .json beside each file: {0}; the format's own metadata have no place "
            "for it",
            value,
        )
    )


def _logged(known: Known) -> tuple[State, str]:
    if known.intact is None:
        return "open", say("nothing was released yet")
    if not known.intact:
        return "partly", say("there is a ledger, but it is not intact: `castalia ledger verify`")
    return "met", say(
        "a hash-chained ledger with {0} released items, by the hash of their content",
        known.released,
    )
