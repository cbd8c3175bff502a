"""Judges: from the text of one answer to its state. One file each; none knows strengths or models."""

from steer_evals.judges.lexical import Verdict, judge

__all__ = ["Verdict", "judge"]
