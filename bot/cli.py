"""The terminal: `playbook-bot serve | demo | run | status | approve | runbook … | audit … | db …`."""

import sys

import click

from bot.demo.cli import demo
from bot.terminal.absences import ABSENCE_COMMANDS
from bot.terminal.access import access
from bot.terminal.api import api
from bot.terminal.breakglass import breakglass
from bot.terminal.executions import COMMANDS
from bot.terminal.graph import graph
from bot.terminal.guards import GUARD_COMMANDS
from bot.terminal.library import export, import_, push_
from bot.terminal.lint import lint
from bot.terminal.permissions import permissions
from bot.terminal.preview import preview_
from bot.terminal.process import PROCESS_COMMANDS
from bot.terminal.rehearsals import rehearse
from bot.terminal.runbooks import runbook
from bot.terminal.schema import schema
from bot.terminal.trail import audit, timeline
from bot.terminal.worker import worker
from infra.log import configure


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="playbook-bot")
def cli() -> None:
    """From a red alarm to an approved, finished, audited runbook."""


for command in (*COMMANDS, *PROCESS_COMMANDS, *GUARD_COMMANDS, *ABSENCE_COMMANDS):
    cli.add_command(command)
for command in (runbook, audit, timeline, demo, api, worker, access, breakglass):
    cli.add_command(command)
runbook.add_command(rehearse)
runbook.add_command(graph)
runbook.add_command(lint)
runbook.add_command(permissions)
runbook.add_command(schema)
for command in (import_, export, push_, preview_):
    runbook.add_command(command)


def main() -> None:
    """Run the command line; an interrupt ends quietly. The log goes to stderr: what a command prints is its answer."""
    configure("warning")
    try:
        cli(prog_name="playbook-bot")
    except KeyboardInterrupt:
        sys.exit(130)
