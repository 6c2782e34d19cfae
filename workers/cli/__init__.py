"""The command `stele`. Each file is a group of commands; heavy imports wait until a command needs them."""

import os
import sys

import typer

from workers.cli import client, erase, look, operate, processes
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
look.add_to(app)
operate.add_to(app)
erase.add_to(app)


def main() -> None:
    """Exit status 2 and one line for anything that the caller can mend."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as wrong:
        _wrong_words(wrong.format_message())
    except (CommandFailed, NotConfigured) as failed:
        print(f"stele: {failed}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read it has gone; nothing to flush
        sys.exit(0)


def _wrong_words(message: str) -> None:
    """A command line that is not understood; a command without its sub-command asks for help."""
    if message.lstrip().startswith("Usage:"):
        print(message)
        sys.exit(0)
    print(f"stele: {' '.join(message.split()).rstrip('.')}; see `stele --help`", file=sys.stderr)
    sys.exit(2)
