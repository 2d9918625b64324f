"""Train an agent in prefrl/HopperBackflip-v0. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "prefrl/HopperBackflip-v0")
