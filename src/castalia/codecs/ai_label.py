"""The AI-content label in written files, for programs that do not know Castalia: an XMP packet.

    TC260:AIGC                       the implicit label of China's GB 45438-2025, annex E: a JSON
                                     text with seven fields; namespace and place are those of
                                     TC260's practice guides for pictures (2025)
    Iptc4xmpExt:DigitalSourceType    IPTC's trainedAlgorithmicMedia: made by a model that learned
                                     from sampled content; what IPTC recommends for pictures of
                                     generative models, and what C2PA and platforms read
    xmp:CreatorTool                  the generator

The values are the manifest's; who fills them is governance/ai_mark.py.
"""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import quoteattr

PNG_KEY = "XML:com.adobe.xmp"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"


PREFIXES = {"CreatorTool": "xmp", "DigitalSourceType": "Iptc4xmpExt", "AIGC": "TC260"}


def packet(manifest: dict[str, Any]) -> str | None:
    """The packet of a manifest with `synthetic` set; None for any other."""
    if not manifest.get("synthetic"):
        return None
    attributes = {
        f"{PREFIXES[name]}:{name}": value
        for name, value in _label(manifest, ascii_only=False).items()
    }
    fields = "".join(f"\n    {name}={quoteattr(value)}" for name, value in attributes.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about=""\n'
        '    xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        '    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n'
        f'    xmlns:TC260="{TC260}"{fields}/>\n'
        " </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    )


def template(generator: str) -> str:
    """The packet of anything that `generator` makes, with @AIGC@ in place of the quoted label: for
    programs that run without Castalia.
    """
    made = packet({"synthetic": True, "generator": generator, "AIGC": {}})
    return str(made).replace(quoteattr(json.dumps(dict.fromkeys(FIELDS, ""))), "@AIGC@")


def line(manifest: dict[str, Any]) -> str | None:
    """The same label in one line of ASCII, for formats that hold text and no XMP; None for a
    manifest that does not say `synthetic`.
    """
    if not manifest.get("synthetic"):
        return None
    return "; ".join(f"{name}={value}" for name, value in _label(manifest, ascii_only=True).items())


def _label(manifest: dict[str, Any], *, ascii_only: bool) -> dict[str, str]:
    """The fields of both forms, by the names in PREFIXES."""
    label = {"CreatorTool": str(manifest.get("generator", "")), "DigitalSourceType": SOURCE_TYPE}
    if "AIGC" in manifest:
        given = manifest["AIGC"] if isinstance(manifest["AIGC"], dict) else {}
        label["AIGC"] = json.dumps(
            {name: str(given.get(name, "")) for name in FIELDS}, ensure_ascii=ascii_only
        )
    return label
