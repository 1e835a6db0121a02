"""``retouch --help``: all commands in groups on one screen of 24 lines, and the command line as a whole."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from retouch.cli.catalogue import COMMANDS, EDIT, KNOW, MEASURE, MORE, RESULTS, about

COMPLETE = "_RETOUCH_COMPLETE"
"""The variable by which a shell asks for completions."""
_WIDE = 78  # from here on two panels stand beside each other


class Root(TyperGroup):
    """The group of all commands, with a help of its own."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the groups, two beside each other where the terminal is wide enough."""
        from rich.console import Console
        from rich.table import Table

        console = Console()
        console.print("[bold]retouch COMMAND[/bold] …   Edit real pictures by text with diffusion models.\n")
        panels = [panel for group in (EDIT, RESULTS, MEASURE, KNOW, MORE) if (panel := self._panel(ctx, group))]
        if console.width < _WIDE:
            for panel in panels:
                console.print(panel)
        else:
            table = Table.grid(expand=True)
            for _ in range(2):
                table.add_column(ratio=1)
            for left, right in zip(panels[::2], [*panels[1::2], ""], strict=False):
                table.add_row(left, right)
            console.print(table)
        console.print("Options and an example: [bold]retouch COMMAND --help[/bold]. Version: [bold]--version[/bold].")

    def _panel(self, ctx: Any, group: str) -> Any:
        """The panel of a group, None of one without commands."""
        from rich.panel import Panel
        from rich.table import Table

        shown = [name for name in self.list_commands(ctx) if about(name).group == group and self._is_shown(ctx, name)]
        if not shown:
            return None
        order = list(COMMANDS)
        rows = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for name in sorted(shown, key=lambda name: order.index(name) if name in order else len(order)):
            rows.add_row(f"[bold cyan]{name}[/bold cyan]", about(name).short)
        return Panel(rows, title=group, title_align="left", border_style="dim")

    def _is_shown(self, ctx: Any, name: str) -> bool:
        command = self.get_command(ctx, name)
        return command is not None and not command.hidden


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh, fish, powershell or pwsh.")]) -> None:
    """Print what SHELL has to read so that the tab key completes commands and options."""
    from typer._completion_shared import get_completion_script

    from retouch.cli.messages import tell_text
    from retouch.errors import BadParameter

    known = ("bash", "zsh", "fish", "powershell", "pwsh")
    if shell not in known:
        raise BadParameter(f"the shell is {shell!r}, expected one of {', '.join(known)}.")
    script = get_completion_script(prog_name="retouch", complete_var=COMPLETE, shell=shell)
    tell_text(f"{script}\n")
