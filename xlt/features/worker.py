"""``python -m xlt.features.worker``: reads messages from standard input, one JSON a line, answers each with one line.

The first line is ``{"setup": …, "number": n}``. It ends when its input ends, so no worker outlives the stage.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from xlt.errors import XltError


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the stage, which ends its workers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    from xlt.features.extract import Setup, Shard, one_thread

    first = json.loads(sys.stdin.readline())
    shard = Shard(Setup.from_json(first["setup"]), first["number"])
    one_thread()
    for line in sys.stdin:
        try:
            answer = shard.run(json.loads(line))
        except XltError as err:
            answer = {"error": type(err).__name__, "message": str(err)}
        except OSError as err:
            answer = {"error": "OSError", "errno": err.errno, "message": err.strerror, "file": err.filename}
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
