"""Train an agent in CartPole-v1. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "CartPole-v1")
