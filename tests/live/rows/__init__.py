"""The table of configurations, and what has to be installed for them."""

from rows import apache, asynchronous, first, gunicorn, pools, simple, unit, unknown, uwsgi
from rows.model import Row

ROWS = (apache.ROWS + uwsgi.ROWS + gunicorn.ROWS + pools.ROWS + simple.ROWS + asynchronous.ROWS + unit.ROWS
        + unknown.ROWS + first.ROWS)
BY_ID = {row.id: row for row in ROWS}

__all__ = ["BY_ID", "ROWS", "Row"]
