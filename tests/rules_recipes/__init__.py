"""Home-made launch recipes: each a process that serves a guarded application, threaded or single-threaded.

``python -m tests.rules_recipes NAME FLAG`` runs one, with FLAG as its ``wsgi.multithread``. It prints the port.
"""
