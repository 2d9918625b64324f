"""Measure a trained agent by the true reward. Takes every option of `prefrl evaluate`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
