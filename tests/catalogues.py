"""The gettext catalogues of the source: what they must hold, and the command that updates them.

    python -m tests.catalogues        (make locale) adds new sentences, drops those that are gone

A new sentence gets an empty `msgstr ""`, to be filled by hand.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

from castalia.language import LANGUAGES
from castalia.language.extraction import FIELD

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "castalia"
OWNERS = ("modalities", "apps")  # folders of folders with catalogues of their own
TRANSLATED = [language for language in LANGUAGES if language != "en"]

# Without dates and names: they would change with every update.
HEADER = """# Sentences of Castalia.
msgid ""
msgstr ""
"Project-Id-Version: {0}\\n"
"Language: {1}\\n"
"Plural-Forms: {2}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def folders() -> dict[str, Path]:
    """Domain -> the folder whose sentences its catalogue holds: the package without its modalities
    and apps, and each of these.
    """
    parts = sorted(
        path.parent for owner in OWNERS for path in (PACKAGE / owner).glob("*/__init__.py")
    )
    return {"castalia": PACKAGE} | {path.name: path for path in parts}


def path_of(domain: str, language: str) -> Path:
    """The catalogue of a domain."""
    return folders()[domain] / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def extracted(domain: str) -> Catalog:
    """The sentences of a domain as the source has them, without translations."""
    folder = folders()[domain]
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    catalogue = Catalog(domain=domain)
    for name, line, message, comments, context in extract_from_dir(
        folder, methods, options, directory_filter=lambda path: _inside(Path(path), folder)
    ):
        place = str((folder / name).relative_to(PACKAGE))
        catalogue.add(message, None, [(place, line)], auto_comments=comments, context=context)
    return catalogue


def _inside(path: Path, folder: Path) -> bool:
    return path.name not in ("__pycache__", "locale") and (
        folder != PACKAGE or path.parent not in [PACKAGE / owner for owner in OWNERS]
    )


def current(domain: str, language: str) -> Catalog:
    """The catalogue of a domain as it is on the disk; empty where there is none yet."""
    path = path_of(domain, language)
    if not path.exists():
        return Catalog(locale=language, domain=domain)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def update(domain: str, language: str) -> list[str]:
    """Writes the catalogue anew and returns the sentences that still want a translation."""
    catalogue = current(domain, language)
    catalogue.update(extracted(domain), no_fuzzy_matching=True)
    path = path_of(domain, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(HEADER.format(domain, language, catalogue.plural_forms).encode())
        write_po(
            file,
            catalogue,
            width=0,  # one line for each text, so that it can be searched for
            omit_header=True,
            ignore_obsolete=True,
            # by sentence and without places: a moved file changes nothing
            sort_output=True,
            no_location=True,
        )
    return [str(one.id) for one in catalogue if one.id and not filled(one) and has_words(one)]


def filled(message: Message) -> bool:
    """Whether a message has a translation, in all plural forms."""
    return all(message.string) if isinstance(message.string, tuple) else bool(message.string)


def has_words(message: Message) -> bool:
    """Whether there is anything to translate: not in "{0}: {1}"."""
    text = message.id[0] if isinstance(message.id, tuple) else message.id
    return any(sign.isalpha() for sign in FIELD.sub("", text))


if __name__ == "__main__":
    for domain in folders():
        for language in TRANSLATED:
            for sentence in update(domain, language):
                print(f"{path_of(domain, language).relative_to(ROOT)}: no translation: {sentence}")
