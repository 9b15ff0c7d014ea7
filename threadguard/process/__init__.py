"""What this process and this thread are: facts, contexts, forks, waiting. Nothing here knows WSGI."""
