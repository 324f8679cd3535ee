"""Sentences of the findings and facts of a check of tables."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "reading": Sentence(
        "note",
        "Read as a table of {columns} columns, because {why}. To read it otherwise: {others}",
        "Read as a table of {columns} column, because {why}. To read it otherwise: {others}",
    ),
    "kinds": Sentence(
        "note",
        "Kinds of columns: {what}. If one is wrong: codec.columns.NAME=KIND",
    ),
    "constant": Sentence(
        "note",
        "{count} columns are the same in every row and are copied: {what}.",
        "{count} column is the same in every row and is copied: {what}.",
    ),
    "empty_columns": Sentence(
        "warning",
        "{count} columns are empty in every row: {what}.",
        "{count} column is empty in every row: {what}.",
    ),
    "identifiers": Sentence(
        "note",
        "{count} columns hold identifiers, all different: {what}. They are made anew, never "
        "learned.",
        "{count} column holds identifiers, all different: {what}. They are made anew, never "
        "learned.",
    ),
    "texts": Sentence(
        "note",
        "{count} columns hold short texts: {what}. They are made letter by letter, without regard "
        "to the other columns; text/ar learns texts.",
        "{count} column holds short texts: {what}. They are made letter by letter, without regard "
        "to the other columns; text/ar learns texts.",
    ),
    "mixed_columns": Sentence(
        "warning",
        "{count} columns mix numbers with other values: {what}. These are kept as values of their "
        "own.",
        "{count} column mixes numbers with other values: {what}. These are kept as values of their "
        "own.",
    ),
    "errors": Sentence(
        "warning",
        "{count} cells hold an error of a spreadsheet, such as {what}. They count as missing.",
        "{count} cell holds an error of a spreadsheet, such as {what}. It counts as missing.",
    ),
    "forms": Sentence(
        "warning",
        "{count} columns write dates in several ways ({what}); all are written in the first.",
        "{count} column writes dates in several ways ({what}); all are written in the first.",
    ),
    "rare": Sentence(
        "note",
        "{count} values of categories stand in a single row; they are grouped as “(rare)”, so that "
        "nobody's own value is learned: {what}.",
        "{count} value of a category stands in a single row; it is grouped as “(rare)”, so that "
        "nobody's own value is learned: {what}.",
    ),
    "many": Sentence(
        "warning",
        "{name} has {count} different values, of which the {most} most frequent are learned.",
    ),
    "wide": Sentence(
        "warning",
        "The table has {count} columns: a row is as many tokens, and training takes accordingly "
        "longer. Leave columns out that are not needed.",
    ),
    "no_names": Sentence(
        "warning",
        "The first line holds numbers, so it may be a row and not the names of the columns: "
        "{what}. Put a line of names before it.",
    ),
    "rules": Sentence(
        "note",
        "Rules that hold in every row, and that samples will keep: {what}.",
    ),
    "joined": Sentence(
        "note",
        "Rows hang together by {key}. If that is wrong: codec.key=PARENT_COLUMN=CHILD_COLUMN",
    ),
    "entities": Sentence(
        "note",
        "The rows are about {count} entities, told apart by {key}; what is the same in all rows of "
        "each is the entity's own.",
    ),
    "ordered": Sentence(
        "note",
        "Children are ordered by {name}, and its differences are learned. If that is wrong: "
        "codec.order=COLUMN",
    ),
    "unordered": Sentence(
        "warning",
        "No column of the children holds dates, so they keep the order of their file. "
        "codec.order=COLUMN names one that orders them.",
    ),
    "childless": Sentence(
        "note",
        "{count} parents have no children; how many have none is learned.",
        "{count} parent has no children; how many have none is learned.",
    ),
    "no_relation": Sentence(
        "problem",
        "Nothing can be learned of these rows: {what}.",
    ),
    "unvaried": Sentence(
        "problem",
        "No column varies, so there is nothing to learn.",
    ),
}
LABELS = {
    "parents": say_in("check", "parents"),
    "children": say_in("check", "children"),
    "of each": say_in("check", "children of a parent"),
    "columns": say_in("check", "columns"),
    "kinds": say_in("check", "kinds of columns"),
    "missing": say_in("check", "missing cells"),
    "rules": say_in("check", "rules"),
}
KINDS = {
    "number": say_in("column", "number"),
    "integer": say_in("column", "whole number"),
    "category": say_in("column", "category"),
    "boolean": say_in("column", "yes or no"),
    "date": say_in("column", "date"),
    "datetime": say_in("column", "date and time"),
    "time": say_in("column", "time of day"),
    "text": say_in("column", "short text"),
    "identifier": say_in("column", "identifier"),
    "constant": say_in("column", "constant"),
}
