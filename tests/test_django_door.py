"""threadguard.django: what manage.py check --deploy says, on real Django."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("django", reason="Django is not installed")

SETTINGS = """
SECRET_KEY = "x" * 60
ROOT_URLCONF = "site_settings"
INSTALLED_APPS = ["threadguard.django"]
%s
urlpatterns = []
"""
WSGI = """
from django.core.wsgi import get_wsgi_application
from threadguard import ThreadGuard
plain = get_wsgi_application()
guarded = ThreadGuard(plain)
watched = ThreadGuard(plain, policy="log")
"""


def check(directory, setting, *options, **variables):
    """Exit status and output of manage.py check, with *setting* in the settings."""
    (directory / "site_settings.py").write_text(SETTINGS % setting)
    (directory / "site_wsgi.py").write_text(WSGI)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THREADGUARD_")}
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", *options], cwd=str(directory), timeout=120,
        env={**kept, "DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": os.pathsep.join(
            [str(directory), kept.get("PYTHONPATH", "")]), **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("setting, variables, said", [
    pytest.param("WSGI_APPLICATION = 'site_wsgi.guarded'", {}, "I001) The application that WSGI_APPLICATION names is"
                 " guarded, by the policy refuse.", id="guarded"),
    pytest.param("WSGI_APPLICATION = 'site_wsgi.guarded'", {"THREADGUARD_POLICY": "serialize"}, "I001) The application"
                 " that WSGI_APPLICATION names is guarded, by the policy serialize.", id="the policy in force"),
    pytest.param("WSGI_APPLICATION = 'site_wsgi.plain'", {}, "W001) The application that WSGI_APPLICATION names is not"
                 " guarded.", id="not guarded"),
    pytest.param("", {}, "W002) The settings name no WSGI_APPLICATION, so it is not known what is served.",
                 id="no application"),
    pytest.param("WSGI_APPLICATION = 'site_wsgi.watched'", {}, "W003) The application that WSGI_APPLICATION names is"
                 " guarded by the policy log, which lets requests overlap.", id="the policy log"),
])
def test_the_deployment_check_says_how_the_application_is_guarded(tmp_path, setting, variables, said):
    """One message under --deploy; only a warning counts for --fail-level WARNING."""
    status, output = check(tmp_path, setting, "--deploy", "--tag=threadguard", "--fail-level=WARNING", **variables)
    assert "?: (threadguard." + said in output
    assert status == ("W00" in said), output


def test_the_check_that_runs_at_every_start_loads_no_application(tmp_path):
    """runserver and migrate run the other checks: none of ours is among them."""
    assert check(tmp_path, "WSGI_APPLICATION = 'site_wsgi.missing'") == (
        0, "System check identified no issues (0 silenced).\n")
