"""Train an agent in Hopper-v5 from preferences, with its preset. Takes every option of `prefrl train`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "Hopper-v5", *sys.argv[1:]]))
