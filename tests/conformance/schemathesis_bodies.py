"""Read by Schemathesis: makes bodies of its own that get as far as a model, by what no schema can say.

A name that is served, a conversation, numbers as many as the shape has: the rest of a body stays what was generated.
"""

from __future__ import annotations

from typing import Any

import schemathesis

_HELLO = [{"role": "user", "content": "hello there"}]
_INPUT = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}
_NEEDED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": _HELLO, "max_tokens": 4},
    "/v1/completions": {"prompt": "hello there", "max_tokens": 4},
    "/v1/responses": {"input": "hello there"},
    "/v1/messages": {"messages": _HELLO, "max_tokens": 4},
    "/v1/messages/count_tokens": {"messages": _HELLO},
    "/v1/embeddings": {"input": "hello there"},
    "/v2/models/{model}/infer": {"inputs": [_INPUT]},
    "/v2/models/{model}/versions/{version}/infer": {"inputs": [{**_INPUT, "data": [[1, 2, 3], [4, 5, 6]]}]},
}
_KEPT = """
    encoding_format id logprobs metadata n seed stop stop_sequences stream stream_options temperature top_k
    top_logprobs top_p user
""".split()


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Asked of every body that was generated."""
    path = context.operation.path
    if path not in _NEEDED or not isinstance(body, dict):
        return body
    kept = {name: value for name, value in body.items() if name in _KEPT}
    named = {} if path.startswith("/v2") else {"model": "honest"}
    return {**kept, **named, **_NEEDED[path]}
