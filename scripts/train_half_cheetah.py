"""Train an agent in HalfCheetah-v5 from preferences, with its preset. Takes every option of `prefrl train`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "HalfCheetah-v5", *sys.argv[1:]]))
