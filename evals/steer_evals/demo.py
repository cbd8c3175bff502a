"""The whole loop on the reference pair, offline: extract, steer, sweep, report. Knows how the rooms fit together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steer.plan import Plan
from steer_evals.asking import ask, batches
from steer_evals.errors import RunError
from steer_evals.reference import load_reference
from steer_evals.rows import Row, key
from steer_evals.run import Run
from steer_evals.suites import load_suite
from steer_evals.sweep import sweep
from steer_vectors.contrast import load_contrast
from steer_vectors.extract import extract
from steer_vectors.file import save_vector
from steer_vectors.models import ChatModel

MODEL = "reference:aligned"
CONTRAST = "refusal"
SUITES = ("harmful", "benign-risky", "benign", "capability", "capability-likelihood")
STRENGTHS = (-1.25, -1.0, -0.75, -0.5, 0.0, 0.5, 0.75, 1.0, 1.25)
Bar = Callable[[str], Callable[[int, int], None]]  # from what is being done to a progress callback


def run_demo(out: str | Path, bar: Bar) -> Run:
    """Extract the refusal direction of `reference:aligned` and map its dial.

    Args:
        out: Folder of the run; also gets `refusal.safetensors` and the report.
        bar: Makes a progress callback for each stage.

    Raises:
        RunError: The folder cannot be written, or strength 0 is not the plain model.
    """
    folder = Path(out)
    model = load_reference(MODEL)
    vector = extract(model, load_contrast(CONTRAST), progress=bar("extracting the direction"))
    run = sweep(model, Plan.add(vector), SUITES, STRENGTHS, folder, progress=bar("asking at every strength"))
    save_vector(vector, folder / f"{CONTRAST}.safetensors")
    _same(
        _plain_rows(model, bar("asking the plain model")), [row for row in run.rows if row["strength"] == 0]
    )
    run.report()
    return run


def _plain_rows(model: ChatModel, progress: Callable[[int, int], None]) -> list[Row]:
    jobs = [(suite, items) for suite in map(load_suite, SUITES) for items in batches(model, suite)]
    rows: list[Row] = []
    for done, (suite, items) in enumerate(jobs, 1):
        rows += ask(model, suite, items)
        progress(done, len(jobs))
    return rows


def _same(plain: list[Row], zero: list[Row]) -> None:
    """But for ties between two tokens, which another batch may break otherwise."""
    found = {key(row): row | {"ties": None} for row in zero}
    tied = {key(row) for row in zero if row["ties"]}
    differ = [row for row in plain if found.get(key(row)) != row | {"ties": None} and key(row) not in tied]
    if differ or len(found) != len(plain):
        raise RunError(
            f"{len(differ)} rows at strength 0 that differ from the plain model's",
            "the same rows",
            "report this: strength 0 must change nothing",
        )
