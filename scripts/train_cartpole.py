"""Train an agent in CartPole-v1 from preferences, with its preset. Takes every option of `prefrl train`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "CartPole-v1", *sys.argv[1:]]))
