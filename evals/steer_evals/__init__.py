"""Suites, judges, sweeps, tax arithmetic and the report; import from its modules, this file loads nothing."""

__all__: list[str] = []
