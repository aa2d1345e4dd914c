"""The command line, called in process."""

from perceivers import cli


def run(capsys, *arguments):
    """Exit status, what went to stdout, what went to stderr."""
    try:
        status = cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        status = stop.code
    out = capsys.readouterr()
    return status, out.out, out.err
