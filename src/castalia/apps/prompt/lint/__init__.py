"""A linter of prompts: clear, specific, concise, relevant and diverse, in English and Chinese.

    from castalia.apps.prompt.lint import lint

    for finding in lint("Write some nice text."):
        print(finding.line, finding.column, finding.rule, finding.reason)

Each rule is one module with its lists of words. No model and no network: it sees wording, not
meaning. What it cannot see is in docs/prompt-lint.md; how well it agrees with a person, too.
"""

from castalia.apps.prompt.lint.checking import judged, lint
from castalia.apps.prompt.lint.finding import RULES, Edit, Finding, mended

__all__ = ["RULES", "Edit", "Finding", "judged", "lint", "mended"]
