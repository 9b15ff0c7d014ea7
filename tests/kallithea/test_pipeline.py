"""Why ``[pipeline:main]`` must not be used with Kallithea: it loses two things, with any filter or with none at all.

Kallithea's command line and its git hook read the settings of ``main`` without building it (`paste.deploy.appconfig`
in kallithea/bin/kallithea_cli_base.py and kallithea/bin/vcs_hooks.py). Those of a pipeline are not Kallithea's.
"""

import pytest
from children import lines_of
from clients import push_git, push_hg


@pytest.fixture(scope="module")
def pipeline(instance):
    """The generated ini file with its application renamed and ``main`` a pipeline: what must not be done."""
    ini = instance.ini("pipeline")
    text = ini.read_text().replace("filter-with = threadguard\n", "")
    assert text.count("\n[app:main]\n") == 1
    ini.write_text(text.replace("\n[app:main]\n", "\n[app:kallithea]\n")
                   + "\n[pipeline:main]\npipeline = threadguard kallithea\n")
    return ini


@pytest.mark.parametrize("command", ["repo-scan", "repo-update-metadata", "index-create"])
def test_kallithea_cli_fails_with_a_pipeline(instance, pipeline, command):
    """`kallithea-cli` looks for sqlalchemy.url in the settings of the pipeline, where it is not."""
    said = instance.cli(command, "-c", str(pipeline), status=1)
    assert len(lines_of(said, "assert app_conf.get('sqlalchemy.url')")) == 1
    assert said.endswith("\nAssertionError\n")


def test_a_git_push_through_a_pipeline_is_lost_from_the_journal(instance, pipeline):
    """The push arrives and the client is told that all is well; the journal has its row for hg, and none for git.

    With ``filter-with`` it has both: test_serving.py.
    """
    with instance.serve(pipeline) as server:
        assert server.answers()[0] == 200
        by_hg, by_git = push_hg(instance, server), push_git(instance, server)
        arrived = server.get("/g1/changeset/" + by_git[2].partition(":")[2])[0]
    assert (arrived, by_hg in instance.journal(), by_git in instance.journal()) == (200, True, False)
