"""Bounded reading of untrusted files: every byte that Castalia reads from a file comes through
here, and every read has a limit.

`limits` holds all limits with their defaults; `files` opens regular files only; `packed` counts
bytes while they inflate; `parse` turns text into JSON, XML, YAML and numbers of bounded size and
depth. A read that would pass a limit raises an error that names the limit and how to raise it.

How limits reach a reader: through a context variable. `using(limits)` sets them for a block,
`within(limits, items)` for an iterator that is consumed later; `data.limits.NAME=VALUE` of a recipe
is set where sources are opened and read (data/source.py, data/item_reader.py), `--limit NAME=VALUE`
for a whole command. Explicit arguments through every codec, family of readers and metric would name
the limits in a hundred signatures that do nothing with them.
"""

from castalia.bounded.files import BLOCK, open_regular, read_bytes, read_text, text_lines
from castalia.bounded.limits import ReadLimits, current, exceeded, from_words, using, within
from castalia.bounded.packed import Counted, Zip, open_gzip, open_zip, read_exactly
from castalia.bounded.parse import parse_json, parse_number, parse_xml
from castalia.bounded.plain_yaml import parse_yaml

__all__ = [
    "BLOCK",
    "Counted",
    "ReadLimits",
    "Zip",
    "current",
    "exceeded",
    "from_words",
    "open_gzip",
    "open_regular",
    "open_zip",
    "parse_json",
    "parse_number",
    "parse_xml",
    "parse_yaml",
    "read_bytes",
    "read_exactly",
    "read_text",
    "text_lines",
    "using",
    "within",
]
