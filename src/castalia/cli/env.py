"""castalia env: what this machine and this installation are."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, entry_points, metadata, version
from importlib.util import find_spec

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say, series


def command(
    json: AsJson = False,
) -> int:
    """Versions, threads, memory, extras and plug-ins: what to put into a bug report."""
    import os

    import torch

    from castalia.run import versions
    from castalia.user_dirs import home

    facts = {
        **versions(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "native_bf16": bool(
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        ),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "home": str(home()),
        "extras": extras(),
        "plugins": {
            f"{kind}: {point.name}": point.value
            for kind in ("family", "codec", "metric")
            for point in entry_points(group=f"castalia.{kind}")
        },
    }
    if json:
        say_json(facts)
        return 0
    for name, value in facts.items():
        if isinstance(value, dict):
            words = {True: say("yes"), False: say("no")}
            value = series(
                say("{0} {1}", key, words.get(state, state)) for key, state in value.items()
            ) or say("none")
        echo(say("{0} {1}", f"{name:<12}", value))
    return 0


def extras() -> dict[str, bool]:
    """Extra -> whether all its packages are installed."""
    try:
        lines = metadata("castalia").get_all("Requires-Dist") or []
    except PackageNotFoundError:
        return {}
    installed: dict[str, bool] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if "extra ==" in marker:
            extra = marker.split("extra ==")[1].strip(" \"')")
            installed[extra] = installed.get(extra, True) and _installed(requirement)
    return installed


def _installed(requirement: str) -> bool:
    name = requirement.strip().split("[")[0]
    for sign in "<>=!~ (":
        name = name.split(sign)[0]
    try:
        version(name)
    except PackageNotFoundError:
        return find_spec(name.replace("-", "_")) is not None
    return True
