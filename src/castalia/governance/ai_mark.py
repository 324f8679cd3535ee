"""The AI-content label of GB 45438-2025 in manifests, and the seal of a manifest.

China's GB 45438-2025, annex E, wants a metadata element AIGC with seven fields. What is known here
is filled in; what the person who publishes the item must add (a propagator's name and number) stays
empty. `Label` is "1": this *is* generated (2: may be, 3: is suspected to be).
"""

from __future__ import annotations

from typing import Any

from castalia.governance.ledger import digest
from castalia.governance.policy import Producer


def seal(facts: dict[str, Any], content: str) -> None:
    """Complete a manifest: `content`, the item's hash; `AIGC`; `seal`, the hash of all the rest,
    which shows that a field was changed.
    """
    for name in ("content", "AIGC", "seal"):
        facts.pop(name, None)
    facts["content"] = content
    facts["AIGC"] = {
        "Label": "1",
        "ContentProducer": facts.get("producer", ""),
        "ProduceID": digest(facts)[:32],  # one for each item and each time that it is made
        "ReservedCode1": f"sha256:{content}",  # the producer's own: protects the content
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    facts["seal"] = digest(facts)


def is_sealed(facts: dict[str, Any]) -> bool:
    """Whether the manifest is as it was sealed. Whoever changes a field may compute the seal anew:
    only the ledger shows that.
    """
    return facts.get("seal") == digest(
        {name: value for name, value in facts.items() if name != "seal"}
    )


def producer_of(producer: Producer) -> str:
    """What stands for the producer in labels: the code that an authority gave, else the name."""
    return producer.code or producer.name
