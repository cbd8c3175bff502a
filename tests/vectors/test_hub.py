"""Vectors to and from folders and a hub of the test's own; cards for people; what is bad leaves nothing behind."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_vectors import hub as hub_module
from steer_vectors.card import new_readme, section, with_section
from steer_vectors.errors import VectorFileError
from steer_vectors.file import METADATA_KEYS, Vector, save_vector
from steer_vectors.hub import pull, push

META = dict.fromkeys(METADATA_KEYS, "") | {
    "format": "steerdial-vector",
    "format_version": "1",
    "concept": "refusal",
    "what_plus": "refuses",
    "what_minus": "answers",
    "model": "maker/chat-1b",
    "revision": "0123abc",
    "architecture": "LlamaForCausalLM",
    "width": "8",
    "layers": "3",
    "fingerprint": "f" * 64,
    "point": "resid_post",
    "layer": "1",
    "position": "-2",
    "estimator": "mean_difference",
    "counts": '{"train": {"positive": 96, "negative": 97}, "validation": {"positive": 32, "negative": 33}}',
    "processing": "raw",
    "licence": "CC0-1.0",
    "estimator_parameters": '{"select_by": "causal"}',
    "units": '{"kl": {"plus": 1.25, "minus": -0.5}}',
    "scores": json.dumps(
        {
            "candidates": [
                {"layer": 0, "position": -2, "separation": 1, "auc": 0.75, "added": None, "passed": False},
                {"layer": 1, "position": -2, "separation": 3.25, "auc": 0.9876, "added": 4.5, "ablated": 2.75,
                 "kl": 0.0421, "passed": True},
            ]
        }
    ),
}  # fmt: skip


def made(**meta: str) -> Vector:
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(3, 8, generator=draw), dim=-1)
    return Vector(directions, torch.full((3,), 4.125), torch.zeros(3), META | meta)


def equal(one: Vector, other: Vector) -> bool:
    tensors = all(
        torch.equal(getattr(one, n), getattr(other, n)) for n in ("directions", "positive", "negative")
    )
    return tensors and dict(one.meta) == dict(other.meta)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def refused(match: str, call: Callable[[], object]) -> None:
    with pytest.raises(VectorFileError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- a folder ---


def test_through_a_folder_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    pushed = push(made(), folder)
    assert pushed == ("refusal.safetensors", str(folder / "refusal.safetensors"))
    assert set(tree(folder)) == {"README.md", "refusal.safetensors"}
    assert equal(pull(folder), made())
    assert equal(pull(f"{folder}/", "refusal.safetensors", out=tmp_path / "v.safetensors"), made())
    assert (tmp_path / "v.safetensors").read_bytes() == (folder / "refusal.safetensors").read_bytes()
    assert set(os.listdir(tmp_path)) == {"vectors", "v.safetensors"}


def test_a_file_keeps_its_bytes_and_its_name(tmp_path: Path) -> None:
    """Also bytes that this library would not have written: a policy names a vector by its hash."""
    from safetensors.torch import save_file

    vector = made()
    tensors = {name: getattr(vector, name) for name in ("directions", "positive", "negative")}
    save_file({"extra": torch.zeros(2), **tensors}, tmp_path / "mine.safetensors", META)
    push(str(tmp_path / "mine.safetensors"), tmp_path / "there")
    pull(tmp_path / "there", out=tmp_path / "back.safetensors")
    kept = {
        (tmp_path / name).read_bytes()
        for name in ("mine.safetensors", "there/mine.safetensors", "back.safetensors")
    }
    assert len(kept) == 1


def test_a_push_replaces_its_own_file_and_section_only(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_bytes("# Mine\r\n\r\nwords — of mine, without an end".encode())
    push(made(), tmp_path)
    push(made(concept="warmth"), tmp_path)
    text = readme.read_bytes().decode()
    assert text.startswith("# Mine\r\n\r\nwords — of mine, without an end\n\n<!-- steerdial: refusal")
    readme.write_bytes((text + "and more words\n").encode())
    push(made(what_plus="refuses politely"), tmp_path)
    push(made(concept="warmth"), tmp_path)
    assert readme.read_bytes().decode() == (text + "and more words\n").replace(
        "refuses |", "refuses politely |", 1
    ).replace(
        *(
            re.findall("SHA-256 `([0-9a-f]{64})`", version)[0]
            for version in (text, readme.read_bytes().decode())
        )
    )
    assert pull(tmp_path, "refusal.safetensors").meta["what_plus"] == "refuses politely"
    assert set(tree(tmp_path)) == {"README.md", "refusal.safetensors", "warmth.safetensors"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (
            b"<!-- steerdial: refusal.safetensors (made by `steer push`, which replaces it) -->\ncut",
            "does not end",
        ),
    ],
)
def test_a_readme_that_cannot_be_kept_stops_the_push(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "README.md").write_bytes(content)
    refused(match, lambda: push(made(), tmp_path))
    assert tree(tmp_path) == {"README.md": content}


@pytest.mark.parametrize(
    ("concept", "file"),
    [
        ("refusal - false-refusal", "refusal-false-refusal.safetensors"),
        ("../../etc/passwd", "etc-passwd.safetensors"),
        ("怒り", "vector.safetensors"),
        ("", "vector.safetensors"),
        ("a" * 300, "a" * 100 + ".safetensors"),
    ],
)
def test_a_name_is_made_of_the_concept(tmp_path: Path, concept: str, file: str) -> None:
    assert push(made(concept=concept), tmp_path / "there").file == file
    assert set(tree(tmp_path)) == {"there", "there/README.md", f"there/{file}"}


@pytest.mark.parametrize(
    "name", ["../v.safetensors", "a/b.safetensors", "v.bin", ".safetensors", "v\n.safetensors", "README.md"]
)
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    refused("the file name", lambda: push(made(), tmp_path, filename=name))
    assert tree(tmp_path) == {}


def test_what_is_no_vector_is_not_pushed(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"PK\x03\x04 something else")
    before = tree(tmp_path)
    refused(
        "bad.safetensors: not a safetensors", lambda: push(tmp_path / "bad.safetensors", tmp_path / "there")
    )
    refused("cannot be read", lambda: push(tmp_path / "none.safetensors", tmp_path / "there"))
    refused("layer 7", lambda: push(made(layer="7"), tmp_path / "there"))
    (tmp_path / "file").write_text("")
    refused("cannot be written", lambda: push(made(), tmp_path / "file"))
    (tmp_path / "file").unlink()
    assert tree(tmp_path) == before


def damaged(whole: bytes) -> Iterator[bytes]:
    yield from (b"", whole[:5], whole[:200], whole[:-1], b"\x80\x04pickle" * 20)
    yield whole.replace(b'"steerdial-vector"', b'"another-vector__"')


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path) -> None:
    there, out = tmp_path / "there", tmp_path / "out"
    push(made(), there)
    out.mkdir()
    whole = (there / "refusal.safetensors").read_bytes()
    for content in damaged(whole):
        (there / "refusal.safetensors").write_bytes(content)
        refused("there/refusal.safetensors", lambda: pull(there, out=out / "v.safetensors"))
        assert tree(out) == {}
    (out / "v.safetensors").write_bytes(whole)
    refused("there/refusal.safetensors", lambda: pull(there, out=out / "v.safetensors"))
    assert tree(out) == {"v.safetensors": whole}, "what was there stays"


def test_what_cannot_be_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused("no folder", lambda: pull(tmp_path / "none"))
    refused("no folder", lambda: pull(tmp_path / ("x" * 5000)))
    refused("there is no .safetensors file", lambda: pull(tmp_path))
    push(made(), tmp_path / "there")
    push(made(concept="warmth"), tmp_path / "there")
    refused("2 files .*refusal.safetensors, warmth.safetensors", lambda: pull(tmp_path / "there"))
    refused("no file other.safetensors", lambda: pull(tmp_path / "there", "other.safetensors"))
    refused(
        "revision main of a folder", lambda: pull(tmp_path / "there", "refusal.safetensors", revision="main")
    )
    save_vector(made(), tmp_path / "secret.safetensors")
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors"), "x/../../secret.safetensors"):
        refused("the file name", lambda name=name: pull(tmp_path / "there", name))
    for out in (tmp_path / "no" / "v.safetensors", tmp_path / "there"):
        refused("cannot be written", lambda out=out: pull(tmp_path / "there", "refusal.safetensors", out=out))
    monkeypatch.setattr(hub_module, "LARGEST", 100)
    refused("bytes", lambda: pull(tmp_path / "there", "refusal.safetensors"))
    assert set(os.listdir(tmp_path)) == {"there", "secret.safetensors"}


def test_a_folder_of_nobody_is_not_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for repo in ("~nosuchuser/vectors", Path("~nosuchuser")):
        refused("folder of nobody", lambda repo=repo: push(made(), repo))
        refused("folder of nobody", lambda repo=repo: pull(repo))
    assert tree(tmp_path) == {}
    assert push(made(), "./~nosuchuser").place == "~nosuchuser/refusal.safetensors", "said plainly, it is one"


def test_a_folder_of_links_as_the_hub_s_cache_has_them(tmp_path: Path) -> None:
    save_vector(made(), tmp_path / "blob")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "v.safetensors").symlink_to("../blob")
    assert equal(pull(tmp_path / "snapshot", out=tmp_path / "v.safetensors"), made())
    assert not (tmp_path / "v.safetensors").is_symlink()


# --- the card ---


def card(vector: Vector, source: str | None = "me/vectors") -> str:
    return new_readme(vector, section(vector, "v.safetensors", b"content", source))


def test_the_card_says_what_people_should_know() -> None:
    text = card(made(warning="mind the gap"))
    for said in (
        "| concept | refusal |",
        "| more of it means | refuses |",
        "| less of it means | answers |",
        "| model | maker/chat-1b, revision 0123abc |",
        "layer 1 (from 0), output of the layer; token -2 from the end of the prompt",
        "| class gap there | 4.125, which is what strength 1 adds |",
        r"mean\_difference",
        "train: 96 positive, 97 negative; validation: 32 positive, 33 negative",
        "AUC 0.988, classes 3.25 standard deviations apart, adding one class gap moves",
        "score of negative prompts by +4.5",
        "mean moves theirs by -2.75",
        "0.0421 nats",
        "Chosen by causal: 1 of 2 candidate sites passed; this one did.",
        "| strength of 1 nat | +1.25 and -0.5 |",
        "| warning | mind the gap |",
        "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",  # SHA-256 of b"content"
        'pull("me/vectors", "v.safetensors")',
        "What it is not for",
        "Limits",
    ):
        assert said in text
    assert "| warning" not in card(made())
    assert "None: layer and position were not chosen" in card(made(scores=""))
    assert "On held-out prompts: AUC 0.750, classes 1.00 standard" in card(made(layer="0"))
    assert "strength of 1 nat" not in card(made(units=""))
    assert "mean over the tokens that predict the answer" in card(made(position="0"))
    assert 'steer.load_vector("v.safetensors")' in card(made(), None)


def test_the_hub_s_own_reader_understands_the_card() -> None:
    data = ModelCard(card(made())).data.to_dict()
    assert data == {
        "base_model": "maker/chat-1b",
        "license": "cc0-1.0",
        "library_name": "steerdial",
        "tags": ["steerdial", "steering-vector", "activation-steering"],
    }
    other = ModelCard(card(made(licence="A licence: of mine\n", revision=""))).data.to_dict()
    assert (other["license"], other["license_name"]) == ("other", "a-licence-of-mine")
    assert "base_model" not in other, "without a revision the name may be that of a folder"
    assert ModelCard(card(made(licence=""))).data.to_dict()["license"] == "unknown"


def test_the_card_does_not_tell_where_a_model_lies_on_somebody_s_disk() -> None:
    for path in ("/home/somebody/models/chat", "~/models/chat/", "./models/chat", "C:\\models\\chat"):
        text = card(made(model=path, revision=""))
        assert "| model | chat |" in text
        assert path not in text
        assert 'steer.load("chat")' in text


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=60),
        st.lists(
            st.sampled_from(
                [
                    "<!-- end of v.safetensors -->",
                    "```",
                    "\n",
                    "|",
                    "---",
                    "![x](http://e)",
                    "<script>",
                    "`",
                    "\\",
                    '"',
                    "#",
                    "a",
                ]
            ),
            max_size=8,
        ).map("".join),
    ),
    key=st.sampled_from(
        ["concept", "what_plus", "model", "revision", "estimator", "counts", "licence", "warning", "point"]
    ),
)
def test_nothing_in_a_file_can_change_the_card_s_shape(text: str, key: str) -> None:
    if key == "counts":
        text = json.dumps({text: {text: 1}})
    whole = card(made(**{key: text}))
    plain = card(made())
    assert ModelCard(whole).data.to_dict()["tags"] == ModelCard(plain).data.to_dict()["tags"]
    assert whole.count("<!--") == whole.count("-->") == 2
    assert whole.count("\n```") == 2
    code = re.search(r"```python\n(.*?)\n```\n", whole, re.DOTALL)
    assert code is not None
    compile(code[1], "card", "exec")
    assert not re.search(r"<script|(?<!\\)!\[", whole.replace(code[1], ""))
    rows = [line for line in whole.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {3}
    fresh = section(made(), "v.safetensors", b"content", "me/vectors")
    assert with_section(whole, "v.safetensors", fresh).endswith(fresh.rstrip("\n") + "\n"), (
        "the section is found again"
    )


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    field=st.sampled_from(
        ["candidates", "separation", "auc", "added", "kl", "passed", "layer", "plus", "norm"]
    ),
)
def test_the_card_can_be_made_of_any_scores(value: Any, field: str) -> None:
    row = {"layer": 1, "position": -2, "separation": 1.0, field: value}
    scores = {field: value} if field == "candidates" else {"candidates": [value, row]}
    units = {"kl": {field: value}} if field == "plus" else {"kl": value}
    tables = {"scores": scores, "units": units, "estimator_parameters": {"select_by": value}}
    assert "held-out prompts" in card(made(**{key: json.dumps(table) for key, table in tables.items()}))


# --- a hub of the test's own ---


class Hub:
    """The four functions of huggingface_hub that are called, over a dictionary."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.kept: list[Path] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> SimpleNamespace:
        assert exist_ok
        self.calls.append("create_repo")
        name = repo_id if "/" in repo_id else f"me/{repo_id}"
        self.repos.setdefault(name, {"private": private, "files": {".gitattributes": b""}, "sha": "a" * 40})
        return SimpleNamespace(repo_id=name)

    def model_info(
        self, repo_id: str, *, revision: str | None = None, files_metadata: bool = False
    ) -> SimpleNamespace:
        self.calls.append("model_info")
        repo = self._at(repo_id, revision)
        siblings = [
            SimpleNamespace(rfilename=name, size=len(content) if files_metadata else None)
            for name, content in repo["files"].items()
        ]
        return SimpleNamespace(private=repo["private"], sha=repo["sha"], siblings=siblings)

    def hf_hub_download(self, repo_id: str, filename: str, *, revision: str, local_dir: Path) -> str:
        self.calls.append("hf_hub_download")
        repo = self._at(repo_id, revision)
        if filename not in repo["files"]:
            raise RemoteEntryNotFoundError("404", response=response(404))
        target = Path(local_dir, filename)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(repo["files"][filename])
        (Path(local_dir) / ".cache").mkdir(exist_ok=True)
        self.kept.append(target)
        return str(target)

    def create_commit(
        self, repo_id: str, operations: list[Any], *, commit_message: str, parent_commit: str
    ) -> SimpleNamespace:
        self.calls.append("create_commit")
        repo = self._at(repo_id, parent_commit)
        for operation in operations:
            with operation.as_file() as stream:
                repo["files"][operation.path_in_repo] = stream.read()
        repo["sha"] = f"{int(repo['sha'], 16) + 1:040x}"
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/{repo['sha']}")

    def _at(self, repo_id: str, revision: str | None) -> dict[str, Any]:
        if repo_id not in self.repos:
            raise RepositoryNotFoundError("404\n\nlong\nwords", response=response(404))
        if revision not in (None, "main", self.repos[repo_id]["sha"]):
            raise RevisionNotFoundError("404", response=response(404))
        return self.repos[repo_id]


def response(code: int) -> Any:
    http = importlib.import_module(HTTPError.__module__.split(".")[0])
    return http.Response(code, request=http.Request("GET", "https://huggingface.co/api"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))  # where no folder has the name of a repository
    fake = Hub()
    for name in ("create_repo", "model_info", "hf_hub_download", "create_commit"):
        monkeypatch.setattr(huggingface_hub, name, getattr(fake, name))
    return fake


def test_through_the_hub_and_back(hub: Hub, tmp_path: Path) -> None:
    pushed = push(made(), "me/vectors")
    repo = hub.repos["me/vectors"]
    assert repo["private"] is True
    assert set(repo["files"]) == {".gitattributes", "README.md", "refusal.safetensors"}
    assert pushed == ("refusal.safetensors", f"https://huggingface.co/me/vectors/commit/{repo['sha']}")
    assert 'pull("me/vectors", "refusal.safetensors")' in repo["files"]["README.md"].decode()
    assert equal(pull("me/vectors", out=tmp_path / "v.safetensors"), made())
    assert (tmp_path / "v.safetensors").read_bytes() == repo["files"]["refusal.safetensors"]
    assert equal(pull("me/vectors", "refusal.safetensors", revision="main"), made())
    assert os.listdir(tmp_path) == ["v.safetensors"]
    assert not any(path.exists() for path in hub.kept)


def test_a_name_without_its_owner(hub: Hub) -> None:
    push(made(), "vectors")
    assert 'pull("me/vectors"' in hub.repos["me/vectors"]["files"]["README.md"].decode()


def test_the_readme_on_the_hub_is_its_owner_s(hub: Hub) -> None:
    hub.create_repo("me/vectors", private=True, exist_ok=True)
    hub.repos["me/vectors"]["files"]["README.md"] = b"# Mine\n"
    push(made(), "me/vectors")
    push(made(concept="warmth"), "me/vectors")
    push(made(), "me/vectors")
    text = hub.repos["me/vectors"]["files"]["README.md"].decode()
    assert text.startswith("# Mine\n\n<!-- steerdial: refusal.safetensors")
    assert (
        re.findall(r"^<!-- (?:steerdial: |end of )(\w+)", text, re.MULTILINE)
        == ["refusal"] * 2 + ["warmth"] * 2
    )


def test_nothing_goes_to_a_public_repository_unless_it_may(hub: Hub) -> None:
    hub.create_repo("me/open", private=False, exist_ok=True)
    refused("me/open, which is public", lambda: push(made(), "me/open"))
    assert "create_commit" not in hub.calls
    assert push(made(), "me/open", private=False).file == "refusal.safetensors"


def test_a_bad_file_on_the_hub_leaves_nothing_behind(hub: Hub, tmp_path: Path) -> None:
    push(made(), "me/vectors")
    files = hub.repos["me/vectors"]["files"]
    for content in damaged(files["refusal.safetensors"]):
        files["refusal.safetensors"] = content
        refused("me/vectors/refusal.safetensors", lambda: pull("me/vectors", out=tmp_path / "v.safetensors"))
        refused("me/vectors/refusal.safetensors", lambda: pull("me/vectors"))
    assert os.listdir(tmp_path) == []
    assert not any(path.exists() for path in hub.kept)


def test_a_large_file_is_not_even_downloaded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push(made(), "me/vectors")
    monkeypatch.setattr(hub_module, "LARGEST", 100)
    hub.calls.clear()
    refused("me/vectors/refusal.safetensors of [0-9]+ bytes", lambda: pull("me/vectors"))
    assert hub.calls == ["model_info"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError("403\nlong", response=response(403)), "you have no access"),
        (
            HfHubHTTPError("500\nlong", response=response(500), server_message="we are\nbroken"),
            "HTTP 500: we are broken",
        ),
        (HfHubHTTPError("401", response=response(401)), "HTTP 401: Unauthorized"),
        (HTTPError("no route\nto host"), "no route to host"),
        (ConnectionError("refused"), "refused"),
        (ValueError("Repo id must be so"), "Repo id must be so"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_what_goes_wrong_on_the_network_is_one_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, said: str
) -> None:
    hub.create_repo("me/vectors", private=True, exist_ok=True)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    for name in ("create_repo", "model_info", "create_commit"):
        with monkeypatch.context() as patch:
            patch.setattr(huggingface_hub, name, fail)
            refused(said, lambda: push(made(), "me/vectors"))
    monkeypatch.setattr(huggingface_hub, "model_info", fail)
    refused(f"me/vectors, which the hub .*{said}", lambda: pull("me/vectors", out=tmp_path / "v.safetensors"))
    assert os.listdir(tmp_path) == []


def test_what_is_not_on_the_hub(hub: Hub) -> None:
    refused("no such repository", lambda: pull("me/none"))
    push(made(), "me/vectors")
    refused("no such file", lambda: pull("me/vectors", "other.safetensors"))
    refused("no such revision", lambda: pull("me/vectors", revision="v9"))
    del hub.repos["me/vectors"]["files"]["refusal.safetensors"]
    refused("there is no .safetensors file", lambda: pull("me/vectors"))


def test_without_a_network_the_real_functions_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is set in these tests."""
    monkeypatch.chdir(tmp_path)
    refused("HF_HUB_OFFLINE is set", lambda: push(made(), "me/vectors"))
    refused("HF_HUB_OFFLINE is set", lambda: pull("me/vectors"))
    refused("me/bad id!", lambda: pull("me/bad id!"))


def test_a_vector_with_a_reading_of_its_own_goes_both_ways(tmp_path: Path) -> None:
    vector = dataclasses.replace(made(), read=torch.ones(3, 8))
    push(vector, tmp_path / "there")
    back = pull(tmp_path / "there")
    assert back.read is not None
    assert vector.read is not None
    assert torch.equal(back.read, vector.read)
    shutil.rmtree(tmp_path / "there")
    assert torch.equal(back.read, vector.read), "what was pulled does not hang on the file"
