"""What other packages say where Castalia passes it on: Typer's parser of options, pydantic's validation. Templates, as in `castalia.sentences`.

VALUES are words of JSON documents that a terminal shows in its reader's language.
"""

TYPER = (
    "Show this message and exit.",
    "No such option: {0}",
    "Missing parameter: {0}",
    "Got unexpected extra argument(s) ({0})",
    "Option {0} requires an argument.",
    "Option {0} does not take a value.",
    "Value {0} is not a valid {1}.",
    "{0} is not one of {1}.",
)
PYDANTIC = (
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid integer, got a number with a fractional part",
    "Input should be a valid integer",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be a valid number",
    "Input should be a finite number",
    "Input should be a valid string",
    "Input should be a valid boolean, unable to interpret input",
    "Input should be a valid boolean",
    "Input should be a valid list",
    "Input should be a valid tuple",
    "Input should be a valid dictionary",
    "Input should be a valid dictionary or instance of {0}",
    "Input should be greater than {0}",
    "Input should be greater than or equal to {0}",
    "Input should be less than {0}",
    "Input should be less than or equal to {0}",
    "Input should be {0}",
    "Field required",
    "Extra inputs are not permitted",
    "String should have at least {0} characters",
    "String should have at most {0} characters",
    "List should have at least {0} items after validation, not {1}",
    "List should have at most {0} items after validation, not {1}",
    "Value error, {0}",
)
VALUES = (
    *("copies", "none", "cannot tell", "held-out items", "training items set apart", "a fixed threshold", "loss", "shadow", "distance"),
    *("exact", "shifted", "flipped", "cropped", "recoloured", "near", "edited", "transposed", "tempo", "one part"),
    *("intact", "altered", "unknown", "released", "refused", "mended"),
    *("encoded data", "pretrained model", "opened archive", "(unknown)", "(no ending)"),
    *("runs", "recipes", "data", "families", "codecs"),
    *(
        "run",
        "recipe",
        "steps",
        "finished",
        "created",
        "for",
        "from",
        "about",
        "licence",
        "family",
        "can",
        "codec",
        "from an installed package",
    ),
)
