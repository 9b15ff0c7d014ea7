"""Who is inside, and what follows: the middleware, the ledger, the policies."""
