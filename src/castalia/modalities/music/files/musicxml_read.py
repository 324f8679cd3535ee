"""Read MusicXML, plain (.musicxml, .xml) and compressed (.mxl), as scores (W3C MusicXML 4.0).

A part of the file is a part of the score, whatever staves and voices it has; one that is played by
instruments of several programs is one part for each. Tied notes are one note; transposing
instruments sound as they sound; cue notes are silent. Chord symbols become a part called "chords"
whose notes are close chords (harmony.py), each until the next symbol. A pickup bar is marked by a
second metre where the first whole bar begins. Repeats are played once; those and lyrics, dynamics,
grace notes and ornaments are named in `Score.lost`. Parts are read in musicxml_parts.py and put
together in musicxml_measures.py; writing is in musicxml_write.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from castalia import bounded
from castalia.bounded import packed
from castalia.codecs import ai_label, manifest_json
from castalia.errors import DataError
from castalia.modalities.music.files import musicxml_measures as measures
from castalia.modalities.music.files import musicxml_parts
from castalia.modalities.music.score import Score
from castalia.sentences import say

ENDINGS = (".musicxml", ".mxl", ".xml")
FIELD = "castalia"  # the name of the miscellaneous field that holds the manifest
LABEL = "castalia-label"
_CONTAINER = 1 << 20  # bytes of the list of an archive's files
_LOST = {
    "lyric": "lyrics",
    "grace": "grace notes",
    "dynamics": "dynamics",
    "wedge": "dynamics",
    "articulations": "articulations",
    "ornaments": "ornaments",
    "fermata": "fermatas",
    "pedal": "pedal",
    "repeat": "repeats",
    "ending": "repeats",
    "figured-bass": "figured bass",
}


def read(path: Path) -> Score:
    """Raises DataError for a file that is damaged or no MusicXML, and for one that
    holds no note.
    """
    score = parsed(bounded.read_bytes(path, "score_bytes"), path.name)
    if score.count == 0:
        raise DataError(
            say("the score is empty: it holds no note"),
            path.name,
            say("remove it, or set data.skip_bad=true"),
        )
    return score


def parsed(data: bytes, name: str) -> Score:
    """A score from the bytes of a file, which may hold no note."""
    root = tree(data, name)
    score = measures.joined(musicxml_parts.read(root, name))
    lost = {_LOST[element.tag] for element in root.iter() if element.tag in _LOST}
    title = (root.findtext("work/work-title") or root.findtext("movement-title") or "").strip()
    return replace(score, title=title, lost=tuple(sorted(lost.union(score.lost))))


def tree(data: bytes, name: str) -> ElementTree.Element:
    """The root, <score-partwise>."""
    if not data:
        raise DataError(
            say("the file is empty (zero bytes)"),
            name,
            say("copy it again, or set data.skip_bad=true"),
        )
    fix = say("save it again as MusicXML, or set data.skip_bad=true")
    root = bounded.parse_xml(_unpacked(data, name) if data[:2] == b"PK" else data, name, fix)
    for element in root.iter() if "}" in root.tag else ():
        # some programs give a namespace, which MusicXML has not
        element.tag = element.tag.rpartition("}")[2]
    if root.tag not in ("score-partwise", "score-timewise"):
        raise DataError(
            say("the XML holds <{0}> and no score", root.tag),
            name,
            say("export it as MusicXML, or set data.skip_bad=true"),
        )
    return root if root.tag == "score-partwise" else _partwise(root)


def _partwise(root: ElementTree.Element) -> ElementTree.Element:
    """A score that is written measure by measure, part by part. Measures that a part has not are
    empty.
    """
    turned = ElementTree.Element("score-partwise", root.attrib)
    turned.extend(child for child in root if child.tag != "measure")
    measures = root.findall("measure")
    names = dict.fromkeys(
        part.get("id", "") for measure in measures for part in measure.iterfind("part")
    )
    parts = {name: ElementTree.SubElement(turned, "part", id=name) for name in names}
    for measure in measures:
        for name, part in parts.items():
            into = ElementTree.SubElement(part, "measure", measure.attrib)
            for written in measure.iterfind("part"):
                into.extend(written if written.get("id", "") == name else ())
    return turned


def _unpacked(data: bytes, name: str) -> bytes:
    """The score of a compressed file."""
    most = bounded.current().score_bytes
    with bounded.open_zip(data, name) as archive:
        try:
            with archive.open(_rootfile(archive, name)) as stream:
                score = stream.read(most + 1)
        except packed.DAMAGE as error:
            raise DataError(
                say("the archive is damaged: {0}", error),
                name,
                say("save it again, or set data.skip_bad=true"),
            ) from error
    if len(score) > most:
        raise bounded.exceeded("score_bytes", say("the score is too large"), name)
    return score


def _rootfile(archive: bounded.Zip, name: str) -> str:
    """What the container names; the first score where it names none (there are programs that forget
    to escape a title).
    """
    members = archive.names()
    scores = [
        one
        for one in members
        if one.lower().endswith((".xml", ".musicxml")) and not one.startswith("META-INF/")
    ]
    try:
        with archive.open("META-INF/container.xml") as stream:
            container = bounded.parse_xml(stream.read(_CONTAINER), name)
        named = [
            element.get("full-path", "")
            for element in container.iter()
            if element.tag.endswith("rootfile")
        ]
    except (DataError, KeyError):
        named = []
    chosen = next((one for one in [*named, *scores] if one in members), None)
    if chosen is None:
        raise DataError(
            say("the archive holds no score"), name, say("save it again, or set data.skip_bad=true")
        )
    return chosen


def read_manifest(data: bytes, name: str) -> dict[str, Any] | None:
    """The manifest that musicxml_write.py put into a file; None if there is none."""
    return manifest_json.only(
        (text for field, text in _all_fields(data, name) if field == FIELD), name
    )


def is_labelled(data: bytes, name: str, manifest: dict[str, Any]) -> bool:
    return _fields(data, name).get(LABEL) == ai_label.line(manifest)


def _fields(data: bytes, name: str) -> dict[str, str]:
    return dict(_all_fields(data, name))


def _all_fields(data: bytes, name: str) -> list[tuple[str, str]]:
    fields = tree(data, name).iterfind("identification/miscellaneous/miscellaneous-field")
    return [(element.get("name", ""), element.text or "") for element in fields]
