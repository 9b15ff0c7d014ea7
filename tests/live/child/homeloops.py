"""Launch recipes with greenlets and event loops that no reader knows."""

from listening import Server, serving


def stream_server(app, port, number):
    from gevent.server import StreamServer

    core = serving(app, number != 1)
    StreamServer(("127.0.0.1", port), lambda connection, _: core.answer(connection),
                 spawn=number or "default").serve_forever()


def raw_greenlets(app, port, number):
    import select

    from greenlet import greenlet

    server, running = Server(app, port, True), []
    while True:
        if select.select([server.socket], [], [], 0.005 if running else None)[0]:
            child = greenlet(server.answer)
            child.switch(server.accept())
            running.append(child)
        running[:] = [child for child in running if not child.dead]
        for child in running:
            child.switch()


def pause(seconds):
    """Wait in a raw greenlet: let the loop go on."""
    from greenlet import getcurrent

    getcurrent().parent.switch()


def asyncio_executor(app, port, number):
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(number) if number else None
    serve_asyncio(app, port, number != 1, lambda *args: asyncio.get_running_loop().run_in_executor(pool, *args))


def asyncio_loop(app, port, number):
    async def call(function, *args):
        return function(*args)

    serve_asyncio(app, port, False, call)


def serve_asyncio(app, port, threaded, call):
    """An asyncio server that runs the application the way *call* says."""
    import asyncio

    core = serving(app, threaded)

    async def connected(reader, writer):
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1").split()
        writer.write(await call(core.respond, *line))
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(connected, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(main())
