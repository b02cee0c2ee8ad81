"""The command line, run within the tests' own process."""

import pytest

from fewclicks.cli import main


def runner(capsys):
    """A function that runs a command -> exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run
