"""A server that sends bytes as they are given, however wrong they are as HTTP, and as slowly as they are wanted."""

import socket
import threading
import time


class RawSite:
    """Answers a request with the bytes of `answers[path]`; robots.txt is not there unless it is among them.

    A tuple (bytes, pause) is sent byte by byte, with so many seconds between two of them.
    """

    def __init__(self, answers, default=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"):
        self.answers, self.default, self.paths = answers, default, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                path = connection.recv(65_536).split()[1].decode()
                self.paths.append(path)
                answer = self.answers.get(path, self.default)
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                    return
                for byte in answer[0]:
                    connection.sendall(bytes([byte]))
                    time.sleep(answer[1])
            except (OSError, IndexError):
                return


def http(body, head=b"", status=b"200 OK"):
    """Return a whole answer with `body`, and more lines of its head."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s" % (status, len(body), head, body)
