"""Text: documents, tables, conversations."""

from castalia.modalities.text.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality
from castalia.sentences import say

_HERE = "castalia.modalities.text"

MODALITY = Modality(
    name="text",
    about="texts and source code: .txt, .md, .py ..., JSONL, CSV, Parquet",
    package=_HERE,
    item="text",
    items=say("texts"),
    codec=f"{_HERE}.codec:TextCodec",
    first="text/ar",
    base="text/ar-small",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:TextCheck",
    constraints={"verse": f"{_HERE}.verse:parse"},
    tables=f"{_HERE}.tables:tables",
    presenter=f"{_HERE}.presenter:TextPresenter",
    watermark=f"{_HERE}.watermark:MARK",
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("office documents"),
            (".doc", ".xls", ".ppt", ".pptx", ".epub", ".odt", ".ods", ".odp", ".rtf", ".pages"),
            say("save them as .docx, .xlsx, .pdf or text"),
        ),
        # read where an extra is installed: then the codec claims them
        Foreign(
            say("Word, PDF and Excel files"),
            (".docx", ".pdf", ".xlsx"),
            say("pip install 'castalia[documents]' reads them; or save them as text"),
        ),
        Foreign(
            say("Parquet tables"),
            (".parquet",),
            say("pip install 'castalia[parquet]' reads them; or save them as CSV"),
        ),
    ),
    rank=30,
)
