"""What the scripts for single environments and commands share."""

import sys
from typing import NoReturn

from prefrl.cli.main import main


def run(*words: str) -> NoReturn:
    """Run `prefrl` with `words` and the options that the script was given, and exit as it does."""
    sys.exit(main([*words, *sys.argv[1:]]))
