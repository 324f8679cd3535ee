"""Tables: rows of numbers, categories and dates."""

from castalia.modalities.table.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.table"

MODALITY = Modality(
    name="table",
    about="tables: .csv, .tsv, .xlsx, .parquet, .jsonl, SQLite",
    package=_HERE,
    item="row",
    items=say("rows"),
    codec=f"{_HERE}.codec:TableCodec",
    codecs={
        "related": Named(
            f"{_HERE}.related.codec:RelatedCodec", say("rows of two tables that belong together")
        ),
        "history": Named(f"{_HERE}.history.codec:HistoryCodec", say("events of each in time")),
    },
    first="table/ar",
    base="table/ar",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:TableCheck",
    matcher=f"{_HERE}.copies:Rows",
    verdict=f"{_HERE}.verdict:verdict_table",
    presenter=f"{_HERE}.presenter:RowPresenter",
    contract=f"{_HERE}.contract:TableContract",
    metrics={
        "table": Named(
            f"{_HERE}.metrics.fidelity:TableFidelity",
            "shapes of columns, trends of pairs, rows told apart, missing cells, rules",
        ),
        "usefulness": Named(
            f"{_HERE}.metrics.utility:Usefulness",
            "predict a column: train on drawn rows, test on real ones",
        ),
        "closeness": Named(
            f"{_HERE}.metrics.privacy:Closeness",
            "share of rows nearer to training rows than to held-out ones",
        ),
        "related": Named(
            f"{_HERE}.metrics.related:RelatedFidelity",
            "two tables: columns, numbers of children, gaps in time, what hangs together",
        ),
        "related-closeness": Named(
            f"{_HERE}.metrics.related:RelatedCloseness",
            "share of parents with children nearer to training ones than to held-out ones",
        ),
    },
    titles={
        "child-counts": say("Numbers of children"),
        "child-gaps": say("Gaps in time between children"),
        "between-tables": say("Trends between parents and children"),
        "orphans": say("Children without a parent"),
        "column-shapes": say("Shapes of columns"),
        "pair-trends": say("Trends of pairs of columns"),
        "row-auc": say("Rows told apart (area under the curve)"),
        "missing-cells": say("Missing cells"),
        "rule-breaks": say("Rows that break a rule"),
        "target-auc": say("A column predicted (area under the curve)"),
        "closer-share": say("Nearer to training rows"),
        "same-rows": say("Rows that stand in the training data"),
        "bits-per-cell": say("Bits per cell"),
        "bits-per-row": say("Bits per row"),
    },
    edits={"infill": Named(f"{_HERE}.edits:Impute", "empty cells drawn given the others")},
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("tables in formats that are not read"),
            (".xls", ".ods", ".sav", ".dta", ".sas7bdat", ".feather", ".mdb", ".accdb"),
            say("save them as CSV from the program that made them"),
        ),
    ),
    media={".csv": "text/csv", ".tsv": "text/tab-separated-values"},
    rank=25,
)
