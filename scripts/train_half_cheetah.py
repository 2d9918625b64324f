"""Train an agent in HalfCheetah-v5. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "HalfCheetah-v5")
