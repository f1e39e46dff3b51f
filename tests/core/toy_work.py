"""Kinds of work for test_executor.py; worker processes import this file."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from xlt.core.errors import MissingInput
from xlt.core.executor import Work


class Squares(Work):
    """``{"n": 3}`` → ``(9, setup, worker's number, its GPU)``; further keys make trouble."""

    label, relief = "squares", "--nj or squares.size"

    def prepare(self, message: dict) -> Any:
        if "unreadable" in message:
            raise MissingInput(f"{message['n']}: not there", "data")
        return message["n"] ** 2

    def run(self, message: dict, prepared: int) -> tuple:
        time.sleep(message.get("sleep_s", 0))
        if "full" in message:
            raise OSError(28, "No space left on device", "a.ark")
        if "defect" in message:
            raise KeyError("n")
        if "odd" in message:
            raise type("Odd", (Exception,), {})("cannot be pickled")
        if "dies" in message:
            print("last words", file=sys.stderr, flush=True)
            os._exit(3) if message["dies"] == "exit" else os.kill(os.getpid(), signal.SIGKILL)
        print("noise that is no answer")
        return prepared, self.setup, self.number, os.environ.get("CUDA_VISIBLE_DEVICES")

    @staticmethod
    def describe(message: dict) -> str:
        return f"the number {message['n']}"
