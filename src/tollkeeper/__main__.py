"""`python -m tollkeeper` is the command `tollkeeper`."""

from tollkeeper.cli.main import run

if __name__ == "__main__":
    run()
