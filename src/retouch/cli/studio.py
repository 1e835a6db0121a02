"""``retouch app``: the studio, a web page to edit pictures on."""

from __future__ import annotations

from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.messages import note, tell
from retouch.errors import BadParameter


def studio(
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    device: options.Device = "",
    host: Annotated[str, typer.Option(help="The address to listen at; others than 127.0.0.1 let others in.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="The port to listen at; 0 takes a free one.")] = 7860,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name, with its port, by which the page may be visited.")
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that one edit may take.")] = 600.0,
    idle: Annotated[float, typer.Option(help="Minutes without a word after which a visit is forgotten.")] = 60.0,
    upscaler: Annotated[
        list[str] | None,
        typer.Option(help="A model that visitors may choose to enlarge what is drawn anew: a folder or a hub name."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Edit pictures on a web page, for one visitor or many; needs retouch[app].

    Pictures stay in this machine's memory; nothing is written, and nothing is sent anywhere.
    """
    from retouch.app.serve import serve
    from retouch.app.tasks import Loading

    for option, value in (("--time-limit", time_limit), ("--idle", idle)):
        if not 0 < value < 1e7:
            raise BadParameter(f"{option} is {value:g}, expected a number above 0.")
    given = set_model or any(on_top.values() if on_top else ())
    # reading them imports torch: a second that is saved where there are none
    loading = Loading(
        model, device or None, options.model_settings(set_model, on_top) if given else {}, tuple(upscaler or ())
    )

    def ready(address: str) -> None:
        tell(address)
        if not quiet:
            note("the studio is at this address; Ctrl-C ends it, and forgets all pictures.")

    serve(loading, host, port, ready, limit=time_limit, idle=60 * idle, allowed=allow_host or ())
