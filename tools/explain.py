"""`duralava explain`, from a clone."""

from duralava import commands

if __name__ == "__main__":
    commands.run("explain")
