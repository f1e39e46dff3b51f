"""``python -m xlt.features.worker``: reads messages from standard input, one JSON a line, answers each with
one line.

The first line is ``{"setup": …, "number": n}``. It ends when its input ends, so no worker outlives the stage.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the stage, which ends its workers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    from xlt.features.extract import Ahead, Setup, Shard, one_thread

    first = json.loads(sys.stdin.readline())
    shard = Shard(Setup.from_json(first["setup"]), first["number"])
    one_thread()
    for answer in Ahead(shard).run(map(json.loads, sys.stdin)):
        if isinstance(answer, OSError):
            answer = {
                "error": "OSError",
                "errno": answer.errno,
                "message": answer.strerror,
                "file": answer.filename,
            }
        elif isinstance(answer, Exception):
            answer = {"error": type(answer).__name__, "message": str(answer)}
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        os._exit(1)  # a thread still waits for input, over which the interpreter's own end would stumble
