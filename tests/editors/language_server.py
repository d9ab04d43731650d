"""A client of a language server: what an editor asks, and what it is offered."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = Path(__file__).parent / "node_modules" / ".bin" / "yaml-language-server"


class LanguageServer:
    """yaml-language-server, which explains and completes one text at a time.

    Args:
        schema: the path of the schema.
    """

    def __init__(self, schema: Path) -> None:
        self._schema = schema
        self._number = 0
        self._documents = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PROGRAM, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        documents = {
            "completion": {"completionItem": {"snippetSupport": True}},
            "hover": {"contentFormat": ["plaintext"]},
        }
        capabilities = {"textDocument": documents}
        self._ask("initialize", processId=None, rootUri=None, capabilities=capabilities)
        self._tell("initialized")
        settings = {"yaml": {"completion": True, "hover": True, "validate": True}}
        self._tell("workspace/didChangeConfiguration", settings=settings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def offered(self, text: str) -> dict[str, str]:
        """Return what is offered at the end of a text: labels, and what each would insert.

        Raises:
            AssertionError: a label is offered twice.
        """
        answer = self._ask("textDocument/completion", **self._at_the_end(text))
        items = answer["items"] if isinstance(answer, dict) else answer
        labels = [item["label"] for item in items]
        assert sorted(labels) == sorted(set(labels)), "something is offered twice"
        return {item["label"]: item.get("insertText", item["label"]) for item in items}

    def explained(self, text: str, word: str) -> str:
        """Return the explanation of a word of the last line of a text."""
        place = self._at_the_end(text)
        place["position"]["character"] = text.split("\n")[-1].index(word) + 1
        answer = self._ask("textDocument/hover", **place)
        contents = answer["contents"]
        return str(contents["value"] if isinstance(contents, dict) else contents)

    def _at_the_end(self, text: str) -> dict[str, Any]:
        """Open a text and return the place of its end."""
        self._documents += 1
        document = {"uri": f"file:///editor/{self._documents}.yaml"}
        whole = f"# yaml-language-server: $schema={self._schema.as_uri()}\n{text}"
        opened = {**document, "languageId": "yaml", "version": 1, "text": whole}
        self._tell("textDocument/didOpen", textDocument=opened)
        lines = whole.split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        return {"textDocument": document, "position": position}

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while (message := self._received()).get("id") != self._number or "method" in message:
            if "id" in message:  # a question of the server, which needs no answer of an editor
                self._send({"id": message["id"], "result": None})
        assert "error" not in message, message
        return message["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _received(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline().strip()) or not length:
            assert line, "the server ended"
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return dict(json.loads(stream.read(length)))
