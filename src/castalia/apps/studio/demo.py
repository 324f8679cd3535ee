"""castalia demo studio: the studio with runs of the demos that are here; without any, with one that
is trained in half a minute.
"""

from __future__ import annotations

from pathlib import Path

from castalia.apps.studio.command import command
from castalia.cli.console import echo
from castalia.run import ROOT, Run
from castalia.sentences import say


def demo(folder: Path) -> Path:
    """Opens the studio until Ctrl-C; gives back its folder."""
    found = [Run.open(one.parent).folder for one in sorted(ROOT.glob("demo-*/**/run.json"))]
    if not found:
        from castalia.cli.demo import train

        echo(say("no demo has run here yet: training one model of digits first"))
        made = train("image/vae", "builtin/digits", ["training.minutes=0.5"], out=folder / "digits")
        found = [made.folder]
    command([str(one) for one in found], folder=folder / "studio")
    return folder / "studio"
