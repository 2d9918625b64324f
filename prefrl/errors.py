"""The errors a user can meet, each with the exit code that the command line gives it."""


class PrefrlError(Exception):
    """An error that one line explains: what is wrong, where, and what to do about it."""

    exit_code = 1


class Terminated(BaseException):
    """SIGTERM has come. Unlike SystemExit, nothing that an environment does can be taken for it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C has come. Unlike KeyboardInterrupt, nothing that an environment raises can be taken for it."""


class UsageError(PrefrlError):
    """The request cannot be carried out as it stands: an option, a budget, a combination."""

    exit_code = 2


class EnvError(PrefrlError):
    """The environment is unknown, unsupported or broken."""

    exit_code = 3


class StoreError(PrefrlError):
    """The preference store is damaged, of another version, or of another environment."""

    exit_code = 4


class CheckpointError(PrefrlError):
    """No checkpoint can be used: missing, damaged, or of another run."""

    exit_code = 5


class LockedError(PrefrlError):
    """Another process holds the run folder."""

    exit_code = 6


class StorageError(PrefrlError):
    """The disk is full, read-only or gone."""

    exit_code = 7
