"""`inspect_process`: ask for the verdict without guarding anything, in a factory, a script or a container's start."""

from dataclasses import replace
from typing import Dict, List, Optional

from threadguard.servers import readers
from threadguard.servers.judge import judge
from threadguard.model import Finding, Reading, Source, Verdict


def inspect_process(ini: Optional[str] = None) -> Verdict:
    """What can be known of this process now, by what its server shows while it starts.

    :param ini: a PasteDeploy file whose [server:main] is going to serve, for where no server is running yet. What the
        process itself shows is stronger: its server is on the stack, this one is merely configured.

    Nothing is raised for a file that cannot be read: it is a finding (TG902) of a verdict that says ``unknown``.
    """
    answers = readers.at_startup()
    readings: Dict[str, Reading] = dict(answers.readings)
    notes: List[Finding] = list(answers.notes)
    if ini is not None:
        from threadguard.check import read_server

        for item in read_server(ini, "main"):
            if isinstance(item, Reading):
                readings["the file"] = replace(item, source=Source.FILE)
            else:
                notes.append(item)
    return judge(readings.values(), notes)
