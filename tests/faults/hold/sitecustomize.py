"""Python imports this at its start if this folder is on PYTHONPATH: it holds a stage at a chosen moment, for
tests.

``XLT_HOLD="STAGE N FILE"``: ``xlt STAGE``, or that stage of ``xlt run``, makes FILE and stands still just
before its Nth write, counted from the opening of its log; N = 0 is before xlt is imported, until a test makes
FILE.go. Other processes, such as the stage's workers, are left alone.
"""

import os
import sys
import time

WRITES = os.O_WRONLY | os.O_RDWR


def is_write(event: str, args: tuple) -> bool:
    """Whether an audit event is the opening for writing, or the renaming, of a file of the recipe or the
    feature store.

    The recipe is the current folder, the store lies below ``$XLT_CACHE``; both renames and locks of it count.
    """
    if event not in ("os.rename", "open") or not isinstance(args[0], (str, bytes, os.PathLike)):
        return False
    path, store = os.fsdecode(args[0]), os.path.join(os.environ.get("XLT_CACHE", "/no/cache"), "features")
    if os.path.isabs(path) and not path.startswith((store, os.path.join(os.getcwd(), ""))):
        return False
    if event == "os.rename":
        return True
    return bool(set(args[1]) & set("wax+")) if isinstance(args[1], str) else bool(args[2] & WRITES)


def _hold(number: int, flag: str, stage: str) -> None:
    left, running = number, stage in sys.orig_argv

    def hook(event: str, args: tuple) -> None:
        nonlocal left, running
        if is_write(event, args):
            running = running or os.fsdecode(args[0]).endswith(f"/{stage}.log")
            if not running:
                return
            left -= 1
            if left == 0:
                os.close(os.open(flag, os.O_CREAT | os.O_WRONLY))
                while True:  # not one long sleep: a signal just before it would not end it
                    time.sleep(0.01)

    if number:
        sys.addaudithook(hook)
        return
    os.close(os.open(flag, os.O_CREAT | os.O_WRONLY))
    while not os.path.exists(flag + ".go"):
        time.sleep(0.01)


if "XLT_HOLD" in os.environ:
    _stage, _number, _flag = os.environ["XLT_HOLD"].split(" ", 2)
    if "xlt.cli" in sys.orig_argv and {_stage, "run"} & set(sys.orig_argv):
        _hold(int(_number), _flag, _stage)
