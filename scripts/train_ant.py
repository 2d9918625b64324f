"""Train an agent in Ant-v5. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "Ant-v5")
