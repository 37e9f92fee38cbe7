"""Sphinx extension: the page of the command, made of what its options say of themselves."""

import html
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from sphinx.application import Sphinx

PAGE = "reference/command.md"
EXAMPLES = re.compile(r"(?:^  \S.*\n)+", flags=re.MULTILINE)
BOLD = re.compile(r"(?:\[bold\]|<span[^>]*>)(.*?)(?:\[/\]|</span>)")


def page() -> str:
    """Return the page as Markdown."""
    import typer.main
    from click import Context
    from typer.cli import get_docs_for_click

    from mixtura.cli.application import application

    command = typer.main.get_command(application)
    text = get_docs_for_click(
        obj=command, ctx=Context(command, info_name="mixtura"), name="mixtura"
    )
    text = html.unescape(BOLD.sub(r"`\1`", text)).replace("\b", "").replace(" <str>`", "`")
    text = EXAMPLES.sub(lambda found: f"```console\n{dedent(found[0])}```\n", text)
    text = text.replace("$ mixtura", "mixtura")
    return "# The command `mixtura`\n" + text.partition("\n")[2]


def write_page(app: Sphinx) -> None:
    """Write the page before Sphinx looks for pages."""
    path, content = Path(app.srcdir) / PAGE, page()
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the page."""
    app.connect("builder-inited", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
