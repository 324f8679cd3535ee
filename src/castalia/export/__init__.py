"""Export trained models to the formats of other programs."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from castalia.export.targets import Exported
    from castalia.run import Run


class _Callable(ModuleType):
    """`castalia.export(run, "bundle", "folder")`: the verb has the name of this package, so the
    package is the verb.
    """

    def __call__(
        self, run: str | os.PathLike[str] | Run, to: str, folder: str | os.PathLike[str]
    ) -> Exported:
        """As export/targets.py: export."""
        from castalia.export.targets import export

        return export(run, to, folder)


sys.modules[__name__].__class__ = _Callable
