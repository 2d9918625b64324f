"""Whose code a run may use. A run that somebody else made must not run code of its choice without a word.

An id like `module:Environment-v0` imports the module, wherever the run is looked at. So it is used only if this user
has named it: to `train`, which notes it in a file of the user's, or in the variable `PREFRL_TRUST`.
"""

import contextlib
import json
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from prefrl.errors import EnvError, StoreError

VARIABLE = "PREFRL_TRUST"
"""Ids that may be used, with commas between them. Processes that this one starts inherit it."""


def trust(env_id: str) -> None:
    """The user has named `env_id`: it may be used from now on, by this process and by later ones of this user."""
    module = env_id.rpartition(":")[0]
    if not module:
        return
    if env_id not in _named():
        os.environ[VARIABLE] = ",".join([*_named(), env_id])
    folder = _folder_of(module, [*_here(), *sys.path])
    if module != "__main__" and folder != _noted_folder(env_id):
        _note({"env_id": env_id, "folder": folder})


def require_trust(env_id: str) -> None:
    """See that the user has named `env_id`, and have its module found where it was then.

    Raises:
        EnvError: nobody has.
    """
    module, noted = env_id.rpartition(":")[0], _noted_folder(env_id)
    if env_id in _named():
        folder = _folder_of(module, [*_here(), *([noted] if noted else []), *sys.path])
    else:
        folder = None if noted is None else _folder_of(module, [noted] if noted else [])
        if folder is None:
            raise EnvError(
                f"{env_id} runs code of the module {module}, and you have not trained with it here; if you know whose "
                f"code it is, set {VARIABLE}={env_id}"
            )
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)


def trust_store(url: str) -> None:
    """The user has named the database at `url`: runs may keep their answers there."""
    if url not in _named():
        os.environ[VARIABLE] = ",".join([*_named(), url])
    if url not in _noted_stores():
        _note({"store": url})


def require_trusted_store(url: str) -> None:
    """See that the user has named the database at `url`: a stranger's run could have another one changed, or spied on.

    Raises:
        StoreError: nobody has.
    """
    if url not in _named() and url not in _noted_stores():
        raise StoreError(
            f"the run keeps its answers in {url}, which you have not trained with here; if you know whose it is, set "
            f"{VARIABLE}={url}"
        )


def notes() -> Path:
    """The file that lists what the user has named, and where its module was; a line of JSON each."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, "prefrl", "environments.jsonl")


def _named() -> list[str]:
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def _noted_folder(env_id: str) -> str | None:
    """Where the module of `env_id` was when it was noted last; None if it was not, or nowhere."""
    folder = None
    with contextlib.suppress(OSError, ValueError):
        for line in notes().read_text().splitlines():
            noted = json.loads(line)
            if noted.get("env_id") == env_id:
                folder = noted["folder"]
    return folder


def _noted_stores() -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        return [noted["store"] for noted in map(json.loads, notes().read_text().splitlines()) if "store" in noted]
    return []


def _note(named: dict[str, str | None]) -> None:
    with contextlib.suppress(OSError):  # then the variable has to be set, as an error will say
        notes().parent.mkdir(parents=True, exist_ok=True)
        with notes().open("a") as file:
            file.write(json.dumps(named) + "\n")


def _here() -> list[str]:
    try:
        return [os.getcwd()]
    except OSError:  # an environment may have removed it
        return []


def _folder_of(module: str, folders: list[str]) -> str | None:
    """The first of `folders` that holds `module`, and a folder without `__init__.py` only if there is nothing else.

    An empty string if Python finds it by other means, as it does what is installed for editing; None if it is nowhere.
    """
    top = module.partition(".")[0]
    specs = [(folder, PathFinder.find_spec(top, [folder])) for folder in map(os.path.abspath, folders)]
    held = [folder for folder, spec in specs if spec is not None and spec.origin is not None]
    held += [folder for folder, spec in specs if spec is not None]
    if held:
        return held[0]
    with contextlib.suppress(ValueError):  # __main__ has no spec
        return "" if find_spec(top) else None
    return None
