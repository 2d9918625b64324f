"""Train a driver in prefrl/Drive-v0 from preferences, with its preset. Takes every option of `prefrl train`.

The taste of the oracle is chosen by `--env-kwargs taste smooth`, or fast, or drift.
"""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "prefrl/Drive-v0", *sys.argv[1:]]))
