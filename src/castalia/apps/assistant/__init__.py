"""An assistant that answers from the owner's documents, with the place, or says that it cannot."""

from castalia.app import App, Command

_HERE = "castalia.apps.assistant"

APP = App(
    name="assistant",
    package=_HERE,
    about="answers from your own documents, with the place, or none",
    commands={
        "build": Command(
            f"{_HERE}.build_command:command",
            about="a desk of questions with answers, and of documents",
            example="castalia assistant build FAQ.csv docs/ --out desk",
        ),
        "ask": Command(
            f"{_HERE}.ask_command:command",
            about="one question: an answer with its place, or none",
            example='castalia assistant ask desk "How long does delivery take?"',
        ),
        "chat": Command(
            f"{_HERE}.chat_command:command",
            about="questions one after the other, in the terminal",
            example="castalia assistant chat desk",
            talks=True,
        ),
        "evaluate": Command(
            f"{_HERE}.evaluate_command:command",
            about="how often a desk answers, and rightly, on questions with known answers",
            example="castalia assistant evaluate desk QUESTIONS.csv --out judged",
        ),
        "serve": Command(
            f"{_HERE}.serve_command:command",
            about="a desk over HTTP, for chat clients and for web pages",
            example="castalia assistant serve desk",
        ),
    },
    demo=f"{_HERE}.demo:demo",
    rank=30,
)
