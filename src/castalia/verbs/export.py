"""`castalia.export`: a run in the format of another program. Formats: export/targets.py."""

from __future__ import annotations

import os

from castalia.export import targets
from castalia.progress.views import shown
from castalia.run import Run


def export(
    run: str | os.PathLike[str] | Run,
    to: str,
    folder: str | os.PathLike[str],
    *,
    progress: bool | None = None,
) -> targets.Exported:
    """Writes a run in the format `to` ("bundle", "onnx", ...) into `folder`, which is new, empty or
    an earlier export. Errors are those of targets.export; progress as for `train`.
    """
    with shown(progress):
        return targets.export(run, to, folder)
