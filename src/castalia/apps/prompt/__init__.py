"""Prompts as files that are versioned, tested and improved, for texts, pictures and music."""

from castalia.app import App, Command

_HERE = "castalia.apps.prompt"

APP = App(
    name="prompt",
    package=_HERE,
    about="prompts as files: versions, tests, and a search for better ones",
    commands={
        "list": Command(
            f"{_HERE}.list_command:command",
            about="prompts with their versions, variables and tests",
            example="castalia prompt list prompts/",
        ),
        "show": Command(
            f"{_HERE}.show_command:command",
            about="what one prompt asks for",
            example="castalia prompt show answer.prompt.md",
        ),
        "render": Command(
            f"{_HERE}.render_command:command",
            about="what a model would be told",
            example="castalia prompt render answer.prompt.md --var question=Hello",
        ),
        "diff": Command(
            f"{_HERE}.diff_command:command",
            about="what differs between two prompts or versions",
            example="castalia prompt diff old.prompt.md new.prompt.md",
        ),
        "lint": Command(
            f"{_HERE}.lint.command:command",
            about="five rules for prompts: places, reasons, changes; SARIF for code hosts",
            example="castalia prompt lint prompts/ --ignore diverse",
        ),
        "test": Command(
            f"{_HERE}.test_command:command",
            about="prompts, models and cases in a matrix, with what may be said of it",
            example="castalia prompt test suite.yaml --out tested",
        ),
        "optimise": Command(
            f"{_HERE}.optimise_command:command",
            about="better wordings, examples and settings, judged on held-out cases",
            example="castalia prompt optimise suite.yaml --calls 500 --out better",
        ),
    },
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=20,
)
