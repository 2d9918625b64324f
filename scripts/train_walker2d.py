"""Train an agent in Walker2d-v5. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "Walker2d-v5")
