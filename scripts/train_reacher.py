"""Train an agent in Reacher-v5. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "Reacher-v5")
