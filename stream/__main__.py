"""`python -m stream`: the command `ews`."""

from stream.cli import main

main()
