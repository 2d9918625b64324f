"""Teach the agent of a run by comparing clips in a window. Takes every option of `prefrl label`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["label", *sys.argv[1:]]))
