"""`python -m duralava` is the command `duralava`."""

from duralava import commands

commands.main()
