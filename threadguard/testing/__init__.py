"""For tests: a server on a free port, requests that are sent together, what the pytest plugin is made of."""
