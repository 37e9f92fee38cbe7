"""What comes next is made in a thread while what came before is used."""

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Item = TypeVar("Item")

PATIENCE = 0.1
"""Seconds after which a thread looks whether it is still wanted."""


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, one of which is made ahead in a thread; its errors are raised here."""
    queue: Queue[tuple[str, Any]] = Queue(maxsize=1)
    stopped = Event()

    def put(what: str, item: Any) -> bool:
        while not stopped.is_set():
            try:
                queue.put((what, item), timeout=PATIENCE)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
                del item
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = Thread(target=work, name="mixtura-scan", daemon=True)
    thread.start()
    try:
        while True:
            what, item = queue.get()
            if what == "error":
                raise item
            if what == "end":
                return
            yield item
            del item
    finally:
        stopped.set()
        with suppress(Empty):
            queue.get_nowait()
        thread.join()
