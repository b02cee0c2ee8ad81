"""`python -m fewclicks` is the command line."""

from fewclicks.cli import main

main()
