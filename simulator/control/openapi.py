"""The OpenAPI document of the control API, made from the types of the operations."""

from typing import Any

from simulator.control.operations import OPERATIONS, Operation

_REF = "#/components/schemas/{model}"

_ERROR = {
    "description": "The request was refused; nothing changed.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        }
    },
}

_EVENTS = {
    "get": {
        "operationId": "events",
        "summary": "Follow the events as JSON Lines.",
        "parameters": [
            {
                "name": "position",
                "in": "query",
                "description": "The number of the first event; 0 for all that are kept.",
                "schema": {"type": "integer", "minimum": 0, "default": 0},
            },
            {
                "name": "follow",
                "in": "query",
                "description": "Whether to go on with further events.",
                "schema": {"type": "boolean", "default": True},
            },
        ],
        "responses": {
            "200": {
                "description": "One event in each line.",
                "content": {"application/jsonl": {"schema": {"type": "string"}}},
            }
        },
    }
}


def openapi_document(version: str) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        version: the version of this package.
    """
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {"/events": _EVENTS}
    for each in OPERATIONS.values():
        paths.setdefault(each.path, {})[each.method.lower()] = _described(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spu-chaos: control of a running simulator",
            "version": version,
            "description": "Faults, the cluster and its state; see docs/control.md.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    def schema(adapter: Any) -> dict[str, Any]:
        made: dict[str, Any] = adapter.json_schema(ref_template=_REF)
        schemas.update(made.pop("$defs", {}))
        return made

    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema(adapter)}
        for name, adapter in operation.path_types.items()
    ] + [
        {"name": name, "in": "query", "schema": {**schema(adapter), "default": default}}
        for name, (adapter, default) in operation.query.items()
    ]
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": schema(operation.result)}},
            },
            "400": _ERROR,
        },
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schema(operation.body)}}
        found["requestBody"] = {"required": True, "content": content}
    return found
