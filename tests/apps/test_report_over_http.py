"""Reports over HTTP: a table and a template in; a text, a page and facts out."""

from __future__ import annotations

from pathlib import Path

from tests.apps.command import TINY, inside
from tests.apps.serving import serving

TABLE = "city,people\nBasel,170\nBern,130\n"


def test_a_report_over_http(tmp_path: Path) -> None:
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    with serving(tmp_path / "run") as up:

        def asked(data: dict[str, str], name: str = "cities.csv", table: str = TABLE):
            files = {"data": (name, table.encode(), "text/csv")}
            return up.post("/api/report", data=data, files=files)

        made = asked({"template": 'All: {{ rows.sum("people") }} in {{ name }}'}).json()
        assert made["markdown"] == "All: 300 in cities.csv"
        assert made["facts"][0]["cells"][0]["lines"] == [[2, 3]]
        assert 'href="#fact-1"' in made["page"]
        assert "共 2 行" in asked({"language": "zh"}).json()["markdown"]
        assert asked({}, name="../../etc/x.csv").json()["facts"][0]["shown"] == "x.csv"
        assert asked({"template": "{{ 6 * 7 }}"}).status_code == 403
        assert asked({"template": '{{ rows.sum("city") }}'}).status_code == 422
        assert asked({"language": "fr"}).status_code == 400
        assert asked({}, table="").status_code == 422
        assert up.post("/api/report", data={"template": "x"}).status_code in (400, 422)
