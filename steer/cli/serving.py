"""The command that serves a model. No logic of its own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from steer.cli.console import Model, Precision, app, bars, load_model, notes, usage


@app.command()
def serve(
    model: Model,
    policy: Annotated[
        str | None, typer.Option(help='A policy file, or "demo". Without it the plain model is served.')
    ] = None,
    host: Annotated[
        str, typer.Option(help="Another address than this machine's own needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any that is free.")] = 8000,
    engine: Annotated[str, typer.Option(help="continuous, plain or llama_cpp.")] = "continuous",
    gguf: Annotated[Path | None, typer.Option(help="The model for llama_cpp, of the same weights.")] = None,
    name: Annotated[str | None, typer.Option(help="What clients call the model.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Keys, one a line, each with bounds of its own if any. Or STEER_KEYS.")
    ] = None,
    admin_key_file: Annotated[
        Path | None, typer.Option(help="Keys that may also load policies. Or STEER_ADMIN_KEY.")
    ] = None,
    policies: Annotated[Path | None, typer.Option(help="Folder of policies to load by name.")] = None,
    bounds: Annotated[str, typer.Option(help="Of dials, within the policy's: refusal=-0.5:0.5")] = "",
    below_plain: Annotated[
        bool, typer.Option("--below-plain", help="Serve policies that refuse less than the plain model.")
    ] = False,
    run: Annotated[Path | None, typer.Option(help="A sweep's folder; its curve is shown.")] = None,
    audit: Annotated[Path | None, typer.Option(help="Append a line of JSON for every request.")] = None,
    audit_prompts: Annotated[
        bool, typer.Option("--audit-prompts", help="Prompts and answers go there too.")
    ] = False,
    page: Annotated[bool, typer.Option(help="Serve the playground at /.")] = True,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 1 << 20,
    max_prompt: Annotated[int, typer.Option(min=1, help="Tokens of a prompt.")] = 8192,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 1024,
    max_rows: Annotated[int, typer.Option(min=1, help="Answers at work at once.")] = 32,
    max_queue: Annotated[int, typer.Option(min=0, help="Answers that wait; more are told 429.")] = 64,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for a request.")] = 600.0,
    dtype: Precision = None,
) -> None:
    """Serve a model behind the OpenAI API; each request turns dials, inside the policy's bounds."""
    if lacking := [name for name in ("fastapi", "uvicorn", "prometheus_client") if find_spec(name) is None]:
        raise usage(f"no {lacking[0]}", "what a server needs", "pip install 'steerdial[serve]'")
    from steer.server.house import House, Settings
    from steer.server.keys import bounds_of, read_keys
    from steer.server.limits import Limits
    from steer.server.run import checked, listen, policy_of, serve

    settings = Settings(
        name or (model if model.startswith("reference:") else Path(model).name), engine,
        Limits(max_body, max_prompt, max_tokens, max_rows, max_queue, timeout), read_keys(key_file, admin_key_file),
        policies, bounds_of(bounds), below_plain, run, gguf, audit, audit_prompts, page,
    )  # fmt: skip
    settings = checked(settings, host)  # before anything is loaded
    with listen(host, port) as listening:
        live, loaded = load_model(model, dtype), None
        if policy is not None:
            with bars() as bar:
                loaded = policy_of(policy, settings, live, bar("preparing the policy"))
        serve(
            House(live, settings, loaded),
            listening,
            lambda words: notes.print(f"serving {words}", soft_wrap=True),
        )
