"""`castalia.chat`: a run's reply to a conversation."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from castalia.abilities import SampleOptions
from castalia.families.base import Family
from castalia.run import Run
from castalia.sampling.chat import reply_to, talk_of, trimmed
from castalia.sampling.generate import Sample, generate, request_of


def chat(
    run: str | os.PathLike[str] | Run,
    messages: Any,
    *,
    seed: int = 0,
    options: SampleOptions | None = None,
    constraint: str | None = None,
    model: Family | None = None,
) -> Sample:
    """The reply to a conversation, a str (of the user) or a list of {"role", "content"}; `item` is
    its text. The oldest turns are left out where they do not fit the context. Raises AbilityError
    for a run that was never tuned on conversations.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, 1, seed, None, options), constraint=constraint)
    talk = trimmed(run.codec, talk_of(messages), request.options.length)
    return next(iter(generate(run, reply_to(run.codec, talk, request), model=model)))
