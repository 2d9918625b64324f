"""Train prefrl/ReacherCircle-v0 from preferences, with its preset. Takes every option of `prefrl train`."""

import sys

from prefrl.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "prefrl/ReacherCircle-v0", *sys.argv[1:]]))
