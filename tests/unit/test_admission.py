"""Requests beyond the bound are told to come again; those within it are served."""

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from adapters.http.middleware import Admission


async def test_I12_a_request_beyond_the_bound_is_refused_and_the_place_is_free_again_afterwards() -> None:
    gate = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(Admission(slow, requests_max=2))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        waiting = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused = await client.get("/")
        gate.set()
        served = await asyncio.gather(*waiting)
        again = await client.get("/")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
    assert [answer.status_code for answer in (*served, again)] == [204, 204, 204]
