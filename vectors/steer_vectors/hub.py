"""Vectors to and from a Hugging Face repository, or a local folder of the same layout. Knows no models.

A repository holds vector files and a README.md with one marked section for each. What comes from there is data: it is read by
`load_vector`, which checks it, and nothing in a repository is run.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import huggingface_hub as hub
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: the root of its HTTP library, of two names
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from steer_vectors.card import new_readme, section, with_section
from steer_vectors.errors import VectorFileError
from steer_vectors.file import Vector, load_vector, save_vector
from steer_vectors.interop.foreign import written_whole

README = "README.md"
LARGEST = 2**30  # bytes; a vector of 200 layers of width 65,536 has a twentieth of it
_ENDING = ".safetensors"
_UNREACHABLE = (OSError, ValueError, RuntimeError, HTTPError, XetDownloadError)


class Pushed(NamedTuple):
    """Where a vector went.

    Args:
        file: Its name there.
        place: The file's path in a folder, or the address of the commit.
    """

    file: str
    place: str


def push(
    vector: Vector | str | Path, repo: str | Path, *, filename: str | None = None, private: bool = True
) -> Pushed:
    """Put a vector into a repository, with its section of the README (model card); a file of that name is replaced.

    Of a README that is there, only this file's marked section is changed; a new one gets the hub's YAML too.

    Args:
        vector: A vector, or the path of a vector file, whose bytes are kept.
        repo: A hub id such as "me/vectors", made if it is not there; or a folder: a `Path`, one that exists, or a
            string that begins with ".", "/" or "~" or has several slashes.
        filename: Name in the repository; default: the file's, or the concept's.
        private: Make a new hub repository private, and refuse to push to a public one.

    Raises:
        VectorFileError: No valid vector, a name that is none, a README that cannot be kept, a path that cannot be
            written, a hub that cannot be reached or refuses, a public repository that should be private.
    """
    with tempfile.TemporaryDirectory(prefix="steerdial-") as stage:
        file = _staged(vector, filename, Path(stage))
        if _is_folder(repo):
            return _push_to_folder(file, _folder(repo))
        return _push_to_hub(file, str(repo), private)


def pull(
    repo: str | Path,
    filename: str | None = None,
    *,
    revision: str | None = None,
    out: str | Path | None = None,
) -> Vector:
    """Get a vector from a repository, checked; nothing is kept of a file that is no valid vector.

    Args:
        repo: As in `push`.
        filename: Which file; may be left out where there is one only.
        revision: Branch, tag or commit of a hub repository; default: its main branch.
        out: Where to keep the file, byte by byte; default: nowhere.

    Raises:
        VectorFileError: No such repository, revision or file, several files and no name, a file that is no valid
            vector or is larger than 1 GiB, a hub that cannot be reached, a path that cannot be written.
    """
    with _stage(out) as stage:
        file = _fetched(repo, filename, revision, stage)
        try:
            vector = load_vector(file)
        except VectorFileError as error:
            shown = f"{repo}/{file.relative_to(stage)}"
            raise VectorFileError(
                error.got.replace(str(file), shown), error.expected, "ask its owner for a whole vector file"
            ) from error
        if out is not None:
            os.replace(file, out)
    return vector


def _staged(vector: Vector | str | Path, filename: str | None, stage: Path) -> Path:
    """The file under the name it will have, checked."""
    if isinstance(vector, Vector):
        file = stage / _name(filename, vector.concept)
        save_vector(vector, file)
    else:
        load_vector(vector)
        file = stage / _name(filename, Path(vector).stem)
        shutil.copyfile(vector, file)
    load_vector(file)
    return file


def _name(wanted: str | None, spare: str) -> str:
    name = wanted or re.sub(r"[^A-Za-z0-9._]+", "-", spare).strip("-._")[:100] + _ENDING
    if wanted is None and name == _ENDING:
        name = f"vector{_ENDING}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors", name, re.ASCII) or ".." in name:
        raise VectorFileError(
            f"the file name {name}",
            "letters, digits, '.', '_' and '-', with the ending .safetensors",
            "choose another name",
        )
    return name


def _is_folder(repo: str | Path) -> bool:
    if isinstance(repo, Path) or os.path.isdir(repo):
        return True
    return repo.startswith((".", "/", "~")) or repo.endswith("/") or repo.count("/") > 1 or "\\" in repo


def _folder(repo: str | Path) -> Path:
    place = os.path.expanduser(repo)
    if place.startswith("~"):  # else a folder of that name would be made here
        raise VectorFileError(f"{repo}, the folder of nobody here", "a folder", "write its whole path")
    return Path(place)


def _readme(old: bytes | None, file: Path, source: str | None) -> str:
    vector = load_vector(file)
    part = section(vector, file.name, file.read_bytes(), source)
    if old is None:
        return new_readme(vector, part)
    try:
        return with_section(old.decode("utf-8"), file.name, part)
    except UnicodeDecodeError as error:
        raise VectorFileError(f"{README} that is not UTF-8", "text in UTF-8", "save it as UTF-8") from error


def _push_to_folder(file: Path, folder: Path) -> Pushed:
    readme, target = folder / README, folder / file.name
    try:
        old = readme.read_bytes() if readme.exists() else None
        text = _readme(old, file, None)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VectorFileError(
            f"{folder}, which cannot be written ({error.strerror})", "a folder", "choose another folder"
        ) from error
    with written_whole(target) as part:
        shutil.copyfile(file, part)
    with written_whole(readme) as part:
        part.write_bytes(text.encode())
    return Pushed(file.name, str(target))


def _push_to_hub(file: Path, repo: str, private: bool) -> Pushed:
    with _reaching(repo):
        name = hub.create_repo(repo, private=private, exist_ok=True).repo_id  # with the user's name in front
        info = hub.model_info(name)
        if private and not info.private:
            raise VectorFileError(
                f"{name}, which is public",
                "a private repository",
                "push to another, or say that it may be public",
            )
        old = None
        if README in {sibling.rfilename for sibling in info.siblings or []}:
            folder = file.parent / "old"
            old = Path(hub.hf_hub_download(name, README, revision=info.sha, local_dir=folder)).read_bytes()
        text = _readme(old, file, name)
        commit = hub.create_commit(
            name,
            [
                hub.CommitOperationAdd(file.name, file),
                hub.CommitOperationAdd(README, text.encode()),
            ],
            commit_message=f"Add {file.name}",
            parent_commit=info.sha,  # a README that somebody changes meanwhile is not overwritten
        )
    return Pushed(file.name, str(commit.commit_url))


@contextmanager
def _stage(out: str | Path | None) -> Iterator[Path]:
    """A folder beside the target, so that what was checked needs only to be renamed."""
    target = None if out is None else Path(out)
    beside = None if target is None else target.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".steerdial-", dir=beside) as stage:
            yield Path(stage)
    except OSError as error:
        raise VectorFileError(
            f"{out or tempfile.gettempdir()}, which cannot be written ({error.strerror or error})",
            "a writable path",
            "choose another path",
        ) from error


def _fetched(repo: str | Path, filename: str | None, revision: str | None, stage: Path) -> Path:
    if filename is not None and (
        Path(filename).is_absolute() or ".." in Path(filename).parts or "\\" in filename
    ):
        raise VectorFileError(
            f"the file name {filename}", "a file inside the repository", "name one of its files"
        )
    if not _is_folder(repo):
        return _download(str(repo), filename, revision, stage)
    if revision is not None:
        raise VectorFileError(f"revision {revision} of a folder", "no revision", "leave it out")
    return _copy(_folder(repo), filename, stage)


def _copy(folder: Path, filename: str | None, stage: Path) -> Path:
    if not os.path.isdir(folder):  # unlike `Path.is_dir`, without an error where a name is too long
        raise VectorFileError(f"no folder at {folder}", "a folder of vectors", "check the path")
    try:
        name = filename or _only([path.name for path in folder.glob(f"*{_ENDING}")], str(folder))
        source, file = folder / name, stage / name
        if not source.is_file():
            raise VectorFileError(f"no file {name} in {folder}", "a vector file", "check the name")
        _check_size(source.stat().st_size, f"{folder}/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
    except OSError as error:
        raise VectorFileError(
            f"{folder}, which cannot be read ({error.strerror})", "a folder of vectors", "check the path"
        ) from error
    return file


def _download(repo: str, filename: str | None, revision: str | None, stage: Path) -> Path:
    with _reaching(repo):
        info = hub.model_info(repo, revision=revision, files_metadata=True)
        sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
        name = filename or _only([name for name in sizes if name.endswith(_ENDING)], repo)
        _check_size(sizes.get(name) or 0, f"{repo}/{name}")
        # The commit that was looked at, into the stage: what is refused does not stay in a cache either.
        file = Path(hub.hf_hub_download(repo, name, revision=info.sha or revision, local_dir=stage))
    _check_size(file.stat().st_size, f"{repo}/{name}")
    return file


def _only(names: list[str], repo: str) -> str:
    if not names:
        raise VectorFileError(
            f"{repo}, in which there is no {_ENDING} file", "a vector file", "check the name"
        )
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:6]) + (", ..." if len(names) > 6 else "")
        raise VectorFileError(f"{len(names)} files in {repo} ({shown})", "the name of one", "name the file")
    return names[0]


def _check_size(size: int, what: str) -> None:
    if size > LARGEST:
        raise VectorFileError(
            f"{what} of {size} bytes", f"a vector file, {LARGEST} at most", "name a vector file"
        )


@contextmanager
def _reaching(repo: str) -> Iterator[None]:
    """No bars and no retry notes; whatever goes wrong with the hub is one line."""
    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    except _UNREACHABLE as error:
        raise VectorFileError(
            f"{repo}, which the hub does not give or take ({_why(error)})",
            "a Hugging Face repository that is there, that you may use, and a network",
            "check the name, the network, and your login (`hf auth whoami`)",
        ) from error
    finally:
        logger.setLevel(level)
        if bars:
            enable_progress_bars()


def _why(error: Exception) -> str:
    known = (
        (OfflineModeIsEnabled, "HF_HUB_OFFLINE is set"),
        (GatedRepoError, "you have no access to it"),
        (RepositoryNotFoundError, "no such repository, or it is private"),
        (RevisionNotFoundError, "no such revision"),
        (EntryNotFoundError, "no such file"),
    )
    for kind, said in known:
        if isinstance(error, kind):
            return said
    if isinstance(error, HfHubHTTPError):
        return f"HTTP {error.response.status_code}: {error.server_message or error.response.reason_phrase}"[
            :200
        ]
    return " ".join(str(error).split())[:200] or type(error).__name__
