"""Run the command line within the test process."""

from perceivers import cli


def run(capsys, *arguments):
    """Return the exit status, the stdout and the stderr of a command."""
    try:
        status = cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err
