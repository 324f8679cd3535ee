#!/bin/sh
# Double-click this (macOS; Linux: "run in terminal"). The first time it installs Castalia into .venv
# beside itself, some minutes and 2 GB; then it opens the studio in the browser.
cd "$(dirname "$0")" || exit 1
if [ ! -x .venv/bin/castalia ] || ! .venv/bin/python -c 'import gradio' 2>/dev/null; then
    echo "Installing Castalia. This takes some minutes and happens once."
    [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv || exit 1
    .venv/bin/python -m pip install --quiet -c constraints.txt -e '.[studio]' || exit 1
fi
exec .venv/bin/castalia studio
