"""The documents say what is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def python_blocks(document: Path) -> list[str]:
    return _PYTHON.findall(document.read_text(encoding="utf-8"))


def test_the_first_example_is_a_program_that_the_tests_run() -> None:
    (block, *_) = python_blocks(ROOT / "README.md")
    program = (ROOT / "examples" / "talk_text.py").read_text(encoding="utf-8")
    assert program.endswith(f'"""\n\n{block}')


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = _LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_is_imported_exists(document: Path) -> None:
    for block in python_blocks(document):
        tree = ast.parse(block)  # `await` outside a function is left as it is by `ast`
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("duologue"):
                for name in node.names:
                    exec(f"from {node.module} import {name.name}")


def test_names_in_the_table_of_tasks_exist() -> None:
    from duologue import messages, options

    text = (ROOT / "docs" / "chat-to-realtime.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"\bm\.([A-Z]\w+)", text)):
        assert hasattr(messages, name), name
    for name in re.findall(r"SessionOptions\.(\w+)", text):
        assert name in options.SessionOptions.__struct_fields__


def test_names_of_chat_types_exist() -> None:
    chat = pytest.importorskip("openai.types.chat")
    text = (ROOT / "docs" / "chat-to-realtime.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"\bChatCompletion\w*", text)):
        assert hasattr(chat, name), name
