"""The command `stele`. Each file is a group of commands; heavy imports wait until a command needs them."""

import sys

import click
import typer

from workers.cli import client, operate, processes
from workers.cli.output import CommandFailed
from workers.settings import NotConfigured

app = typer.Typer(
    name="stele",
    help="The record that people and AI agents share while they work together in real time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
processes.add_to(app)
client.add_to(app)
operate.add_to(app)


def main() -> None:
    """Exit status 2 and one line for anything that the caller can mend."""
    try:
        sys.exit(app(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as help_text:
        print(help_text.format_message())
        sys.exit(0)
    except click.ClickException as wrong:
        print(f"stele: {wrong.format_message()}", file=sys.stderr)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except (CommandFailed, NotConfigured) as failed:
        print(f"stele: {failed}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
