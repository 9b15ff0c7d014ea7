"""A notebook: POST a note, GET them all. The user of a request is kept where two requests can reach it."""

notes = []

_user = None


def application(environ, start_response):
    """Keep the note that is posted, with the name of the user, and answer with all notes."""
    global _user
    _user = environ.get("HTTP_X_USER", "nobody")
    if environ["REQUEST_METHOD"] == "POST":
        text = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        notes.append("%s: %s" % (_user, text))  # by now it may be another request's user
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(note + "\n" for note in notes).encode()]
