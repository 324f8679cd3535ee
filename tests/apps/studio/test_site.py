"""The studio over HTTP: who may call it, which files it shows, and what it takes in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from castalia.apps.studio.site import make_site
from castalia.apps.studio.workspace import Workspace
from castalia.errors import DataError, RunError

BATCH = "0123456789abcdef"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    made = Workspace(tmp_path_factory.mktemp("studio") / "studio")
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(space: Workspace) -> Iterator[TestClient]:
    site = make_site(space, hosts=frozenset({"localhost"}), token="", largest=1000)
    with TestClient(site, base_url="http://localhost") as client:
        yield client


def test_pages_in_two_languages(client: TestClient):
    for code, title in (("en", "Drop files"), ("zh", "把文件")):
        page = client.get(f"/{code}/")
        assert page.status_code == 200 and title in page.text
        for outside in ("googleapis", "cdn.", "unpkg", "huggingface.co/front"):
            assert outside not in page.text, outside
    chinese = client.get("/", headers={"accept-language": "zh"}, follow_redirects=False)
    assert chinese.headers["location"] == "/zh/"
    client.get("/language/zh", follow_redirects=False)
    chosen = client.get("/", headers={"accept-language": "en"}, follow_redirects=False)
    assert chosen.headers["location"] == "/zh/"
    client.cookies.clear()


def test_foreign_pages_and_names_are_refused(client: TestClient):
    assert client.get("/en/", headers={"host": "evil.example"}).status_code == 403
    foreign = {"origin": "http://evil.example"}
    assert client.put(f"/upload/{BATCH}/a", content=b"a", headers=foreign).status_code == 403
    assert client.post("/en/gradio_api/queue/join", json={}, headers=foreign).status_code == 403


def test_a_token_where_others_can_reach_it(space: Workspace):
    site = make_site(space, hosts=None, token="secret", largest=1000)
    with TestClient(site) as client:
        refused = client.get("/en/")
        assert refused.status_code == 403 and "token" in refused.text
        assert client.get("/files/studio/lock").status_code == 403
        assert client.get("/en/?token=wrong").status_code == 403
        assert client.get("/en/?token=secret").status_code == 200
        assert client.get("/files/studio/lock").status_code == 200  # by the cookie


def test_only_files_of_the_studio_and_of_runs_are_shown(client: TestClient, space: Workspace):
    (space.root / "made" / "page.html").write_text("<p>here</p>")
    shown = client.get("/files/studio/made/page.html")
    assert shown.text == "<p>here</p>" and "sandbox" in shown.headers["content-security-policy"]
    (space.root.parent / "secret.txt").write_text("secret")
    (space.root / "made" / "link.txt").symlink_to(space.root.parent / "secret.txt")
    for place in ("studio/../secret.txt", "studio/%2e%2e/secret.txt", "studio/made/link.txt"):
        assert client.get(f"/files/{place}").status_code == 404, place
    assert client.get("/files/other/secret.txt").status_code == 404
    assert client.get("/files/studio/made").status_code == 404


def test_uploads(client: TestClient, space: Workspace):
    def put(place: str, content: bytes = b"x") -> int:
        return client.put(f"/upload/{BATCH}/{place}", content=content).status_code

    assert put("cats/a/1.txt", b"one") == 200
    assert put("cats/b/2.txt", b"two") == 200
    assert put("%2e%2e/%2e%2e/out.txt") == 200  # stays inside
    assert not (space.root / "out.txt").exists() and not (space.root.parent / "out.txt").exists()
    assert client.put("/upload/../lock", content=b"").status_code in (404, 405)
    assert client.put("/upload/short/a", content=b"").status_code == 400
    large = client.put(f"/upload/{BATCH}/large", content=b"x" * 2000)
    assert large.status_code == 413 and "--max-upload" in large.text
    streamed = client.put(f"/upload/{BATCH}/large", content=(b"x" * 100 for _ in range(20)))
    assert streamed.status_code == 507
    assert not list(space.root.rglob("*large*"))


def test_what_came_in_becomes_data(space: Workspace):
    def receive(batch: str, *places: str) -> None:
        for place in places:
            with space.receiving(batch, place) as sink:
                sink.write(place.encode())

    receive("a", "dogs/x/1.txt", "dogs/y/2.txt")
    data = space.add_data("a", "", "CC0", "my own")
    assert data.name == "dogs" and data.place == str(data.folder)  # the folder that was dropped
    assert (data.folder / "LICENSE").read_text() == "CC0\nmy own\n"
    assert sorted(one.name for one in data.folder.iterdir()) == ["LICENSE", "x", "y"]
    receive("b", "poems.zip")
    assert space.add_data("b", " my poems/ ", "", "").place.endswith("data/my-poems/poems.zip")
    receive("c", "1.txt", "2.txt")
    with pytest.raises(DataError, match="of this name"):
        space.add_data("c", "dogs", "", "")
    assert space.add_data("c", "two", "", "").place == str(space.root / "data" / "two")
    for batch in ("", "nothing", "c"):
        with pytest.raises(DataError, match="no files"):
            space.add_data(batch, "x", "", "")
    assert set(space.own_data()) >= {"dogs", "my-poems", "two"}
    two = space.data("two")
    two.choose(overrides=["data.skip_bad=true"], unique=True)
    assert two.words == [str(space.root / "checks" / "two" / "keep.txt"), "data.skip_bad=true"]
    assert json.loads((space.root / "data" / "two.json").read_text())["unique"] is True


def test_one_studio_a_folder(space: Workspace):
    with pytest.raises(RunError, match="another studio"):
        Workspace(space.root)


def test_marks_are_a_policy(space: Workspace):
    from castalia.apps.studio.marks import FIRST, choose, chosen
    from castalia.governance.policy import Policy

    assert chosen(space) == [] and space.policy is None
    choose(space, FIRST, "en")
    assert chosen(space) == ["watermark"] and space.policy is not None
    assert Policy.load(space.policy).watermark is not None
    choose(space, ["labels", "credentials"], "zh")
    rules = Policy.load(space.policy)
    assert chosen(space) == ["labels", "credentials"] and rules.watermark is None
    assert rules.labels is not None and rules.labels.language == "zh" and rules.credentials
