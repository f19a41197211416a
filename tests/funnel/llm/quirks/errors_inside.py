"""Quirks of errors that come with a status of 200: in a body, and in the middle of a stream."""

from __future__ import annotations

import json
from typing import Any

from chat_server import DONE, Reply, event, piece
from quirks.quirk import KEY, OK, REFUSED, TEXT, UNAVAILABLE, Quirk, body, plain
from quirks.streams import BILL, END, WHOLE, stream

RAW = json.dumps({"error": {"message": "gemma is out of memory", "code": 502}})


def choice_error(**error: Any) -> Reply:
    choice = {"index": 0, "finish_reason": "error", "message": {"content": ""}, "error": error}
    return Reply(body=body(choices=[choice], usage=None))


IN_A_BODY = (
    Quirk(
        "a rate limit in a body of 200",
        "OpenRouter",
        (Reply(body={"error": {"message": "Rate limit exceeded", "code": 429}}), OK),
        requests=2,
    ),
    Quirk(
        "a provider's words in a body of 200",
        "OpenRouter",
        (
            Reply(
                body={"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": RAW}}}
            ),
        )
        * 3,
        error=UNAVAILABLE,
        says=("gemma is out of memory",),
        requests=3,
    ),
    Quirk(
        "a refusal in a body of 200",
        "OpenRouter",
        (Reply(body={"error": {"message": "m is not a valid model ID", "code": 400}, "user_id": "u"}),),
        error=REFUSED,
        says=("m is not a valid model ID",),
        never=("ends where the API begins",),
    ),
    Quirk(
        "no money, in a body of 200",
        "OpenRouter",
        (Reply(body={"error": {"message": "Insufficient credits", "code": 402}}),),
        error=REFUSED,
        says=("Insufficient credits", "billing"),
    ),
    Quirk(
        "an error beside null choices",
        "gateways",
        (Reply(body={**body(choices=None), "error": {"message": "upstream overloaded", "code": 503}}), OK),
        requests=2,
    ),
    Quirk(
        "an error that is a string",
        "Hugging Face",
        (Reply(body={"error": "overloaded, try again"}), OK),
        requests=2,
    ),
    Quirk(
        "an error in a choice",
        "OpenRouter",
        (choice_error(code=502, message="Upstream idle timeout"), OK),
        requests=2,
    ),
    Quirk(
        "an error in a choice, for good",
        "OpenRouter",
        (choice_error(code=403, message="Flagged by moderation"),),
        error=REFUSED,
        says=("Flagged by moderation",),
    ),
    Quirk(
        "error as the reason for the end",
        "OpenRouter",
        (Reply(body=body(choices=[{"index": 0, "finish_reason": "error", "message": {"content": ""}}])), OK),
        requests=2,
    ),
    Quirk("empty choices", "Gemini, Azure", (plain(choices=[]), OK), requests=2),
    Quirk("choices are null in a body", "gateways", (plain(choices=None), OK), requests=2),
    Quirk(
        "an error of vLLM's older form",
        "vLLM",
        (
            Reply(
                body={
                    "object": "error",
                    "message": "Engine is dead",
                    "type": "InternalServerError",
                    "code": 500,
                }
            ),
            OK,
        ),
        requests=2,
    ),
    Quirk(
        "an error in another language's form",
        "MiniMax",
        (Reply(body={"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}), OK),
        requests=2,
    ),
    Quirk(
        "headers echoed in a body of 200",
        "a gateway in debug mode",
        (Reply(body={"headers": {"Authorization": f"Bearer {KEY}"}, "choices": []}),) * 3,
        error=UNAVAILABLE,
        says=("choices",),
        requests=3,
    ),
    Quirk("null as the error of a good reply", "gateways", (plain(error=None),)),
    Quirk(
        "success that is false",
        "gateways",
        (Reply(body={"success": False, "code": 500, "msg": "system busy"}), OK),
        requests=2,
    ),
    Quirk(
        "the code as a string",
        "gateways",
        (Reply(body={"error": {"message": "slow down", "code": "429"}}), OK),
        requests=2,
    ),
    Quirk(
        "the key in the text of the answer",
        "a gateway in debug mode",
        (plain(choices=[{"finish_reason": "stop", "message": {"content": f"Bearer {KEY}!"}}]),),
        text="Bearer ***!",
    ),
    Quirk(
        "the key in two pieces of a stream",
        "a gateway in debug mode",
        stream(piece(f"Bearer {KEY[:7]}"), piece(f"{KEY[7:]}!"), END, BILL, DONE),
        text="Bearer ***!",
    ),
    Quirk(
        "network_error as the reason for the end",
        "Zhipu",
        (plain(choices=[{"index": 0, "finish_reason": "network_error", "message": {"content": ""}}]), OK),
        requests=2,
    ),
)

IN_A_STREAM = (
    Quirk(
        "a rate limit as the first event",
        "vLLM, OpenRouter",
        stream(event({"error": {"message": "Rate limit", "code": 429}}), DONE) + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "an error after the first words",
        "OpenRouter",
        stream(
            piece("We"),
            event(
                {
                    "error": {"message": "Provider disconnected", "code": 502},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
        )
        + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "an error event",
        "LM Studio",
        stream(
            piece("We"),
            b'event: error\ndata: {"error": {"message": "Compute error."}, "message": "Compute error."}\n\n',
        )
        * 3,
        error=UNAVAILABLE,
        says=("Compute error",),
        requests=3,
    ),
    Quirk(
        "an error event in Anthropic's form",
        "Anthropic",
        stream(
            b"event: error\n"
            b'data: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
        )
        + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "an error event in plain words",
        "gateways",
        stream(b"event: error\ndata: upstream timed out\n\n") + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "an error as bare JSON in the stream",
        "gateways",
        stream(b'{"error": {"message": "overloaded", "code": 503}}') + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "a refusal as the first event",
        "Groq",
        stream(
            event(
                {
                    "error": {
                        "message": "m has been decommissioned",
                        "type": "invalid_request_error",
                        "code": "model_decommissioned",
                    }
                }
            )
        ),
        error=REFUSED,
        says=("decommissioned",),
    ),
    Quirk(
        "error as the reason for the end of a stream",
        "OpenRouter",
        stream(piece("We"), piece(finish="error"), DONE) + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "null as the error in every piece",
        "gateways",
        stream(
            event(
                {
                    "choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}],
                    "error": None,
                }
            ),
            BILL,
            DONE,
        ),
    ),
    Quirk(
        "an error of vLLM's older form in a stream",
        "vLLM",
        stream(
            event(
                {
                    "object": "error",
                    "message": "The model `m` does not exist.",
                    "type": "NotFoundError",
                    "param": None,
                    "code": 404,
                }
            ),
            DONE,
        ),
        error=REFUSED,
        says=("The model `m` does not exist",),
    ),
    Quirk(
        "abort as the reason for the end",
        "vLLM",
        stream(piece("We"), piece(finish="abort"), DONE) + stream(WHOLE),
        requests=2,
    ),
)

ERRORS_INSIDE = (*IN_A_BODY, *IN_A_STREAM)
