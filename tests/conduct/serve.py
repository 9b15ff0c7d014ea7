"""Serve `faulty.application` at a port, by the server that is named."""

import sys

NAME, PORT = sys.argv[1], int(sys.argv[2])


def waitress(app):
    import waitress

    waitress.serve(app, host="127.0.0.1", port=PORT, threads=1)


def cheroot(app):
    from cheroot.wsgi import Server

    Server(("127.0.0.1", PORT), app, numthreads=1, max=1).start()


def gevent(app):
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", PORT), app, spawn=1).serve_forever()


if __name__ == "__main__":
    from faulty import application

    globals()[NAME](application)
