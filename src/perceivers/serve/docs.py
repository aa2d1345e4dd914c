"""The page that documents the HTTP interface, made from its OpenAPI description."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<link rel="stylesheet" href="style.css">
<link rel="icon" href="data:,">
<main>
<h1>{title}: API</h1>
<p>{about} <a href="openapi.json">OpenAPI description</a>, <a href="./">page</a></p>
{operations}
</main>
</html>
"""


def docs_page(openapi: Mapping[str, Any]) -> str:
    """Return an HTML page with every operation of an OpenAPI description."""
    operations = [
        _operation(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    info = openapi["info"]
    return PAGE.format(
        title=escape(info["title"]),
        about=escape(info.get("description", "")),
        operations="\n".join(operations),
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """Describe one operation: what it does, its parameters and its body."""
    lines = [
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    for parameter in operation.get("parameters", ()):
        schema = json.dumps(parameter.get("schema", {}))
        name = f"{parameter['in']} parameter {parameter['name']}"
        lines.append(f"<p>{escape(name)}: <code>{escape(schema)}</code></p>")
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = json.dumps(body["schema"], indent=2)
        lines.append(f"<p>Body <code>{escape(kind)}</code>:</p><pre>{escape(schema)}</pre>")
    return "\n".join([*lines, "</section>"])
