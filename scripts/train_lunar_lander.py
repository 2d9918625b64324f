"""Train an agent in LunarLander-v3 from preferences, with its preset. Takes every option of `prefrl train`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "LunarLander-v3", *sys.argv[1:]]))
