"""`fewclicks serve`: the model for other tools, over the HTTP that each of them speaks."""

from __future__ import annotations

import contextlib
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fewclicks.cli import options

GRACE_S = 1
"""So long a photo that is fetched or read may take when the server is told to stop; what is computed ends at once."""


def serve(
    tools: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOOL]...", help="label-studio, x-anylabeling, osam; all if none is named."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="N")] = 9090,
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 lets those on other machines in who know the token that is printed.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="A name under which this machine is known. Repeatable."),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", metavar="FILE", help="People and their tokens: a line each, name, space, token."),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let everybody in who can reach the server.")] = False,
    tool_url: Annotated[
        str | None,
        typer.Option(
            "--tool-url",
            metavar="URL",
            envvar="LABEL_STUDIO_URL",
            show_envvar=False,
            help="Where Label Studio runs: the only server that is asked for photos.",
        ),
    ] = None,
    tool_token: Annotated[
        str | None,
        typer.Option(
            "--tool-token",
            metavar="TOKEN",
            envvar="LABEL_STUDIO_API_KEY",
            show_envvar=False,
            help="Its access token; better in the environment, LABEL_STUDIO_API_KEY.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Where its photos lie, if they are files here.")
    ] = None,
    method: options.MethodName = "default",
    cfr: options.Cfr = None,
    threads: options.Threads = None,
    settings: options.Settings = None,
) -> None:  # a parameter per option: how typer reads them
    """Serve the model to Label Studio, X-AnyLabeling and what speaks osam's HTTP."""
    options.require_extra("annotate", "starlette", "uvicorn")
    import uvicorn

    from fewclicks.annotator.server.connection import bounded
    from fewclicks.annotator.server.security import SecurityMiddleware
    from fewclicks.annotator.server.serve import Place, address_of, allow_many_files, listen, policy_for
    from fewclicks.config import resolve
    from fewclicks.engines.interruption import Interruption
    from fewclicks.integrations.photo_sources import PhotoSource
    from fewclicks.integrations.tool_server import TOOLS, Credentials, application

    resolved = resolve(method, options.plain_values(settings), cfr=cfr, threads=threads)
    about = resolved.describe()
    version = f"fewclicks {about['fewclicks']} {about['method']} {str(about.get('weights_sha256', ''))[:12]}".strip()
    source = PhotoSource(tool_url, tool_token, images)
    interruption = Interruption()

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            interruption.request()
            await super().shutdown(sockets)

    app = application(resolved.build(), tools or [], source, version, interruption)
    place = Place(host=host, port=port, names=tuple(name or ()), tokens=tokens, no_token=no_token)
    allow_many_files()
    with closing(listen(place)) as listening:
        policy = policy_for(place, port)
        guarded = Credentials(SecurityMiddleware(app, policy))
        config = uvicorn.Config(
            guarded, http=bounded(policy.proxies), log_level="warning", access_log=False, proxy_headers=False,
            server_header=False, ws="none", lifespan="off", timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        print(f"Serving {', '.join(tools or TOOLS)} at {address_of(host, port, None)}  (Ctrl-C ends it)")
        if policy.token:
            print(f"The token is {policy.token}: as the password of basic auth, as a bearer, or in the header Token")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            Server(config).run([listening])
