"""Recipes with bridges that are no objects: functions that close over the executor of one which runs their calls."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tests.rules_recipes.stdlib import call, serve_async


def bridge_to(function):
    executor = ThreadPoolExecutor(1)

    async def run(path):
        return await asyncio.get_event_loop().run_in_executor(executor, function, path)

    return run


def in_turn(one, two):
    number = [0]

    async def run(path):
        number[0] += 1
        return await (one if number[0] % 2 else two)(path)

    return run


def closures_threaded():
    """One event loop and two closures with an executor of one each, which get the requests in turn."""
    asyncio.run(serve_async(in_turn(bridge_to(call), bridge_to(call))))


def closure_lone():
    """One closure with an executor of one."""
    asyncio.run(serve_async(bridge_to(call)))


def closure_to_another_application_lone():
    """Two closures with an executor of one each; the second one is for mails."""
    web, mail = bridge_to(call), bridge_to(lambda path: b"sent")

    async def run(path):
        return await (mail if path == "/mail" else web)(path)

    asyncio.run(serve_async(run))


SPARE = []


def closure_that_nobody_calls_lone():
    """Two closures to the application, of which only one is handed to the server."""
    SPARE.append(bridge_to(call))
    asyncio.run(serve_async(bridge_to(call)))
