"""Django: an app whose system check says whether the application that is deployed is guarded.

With ``"threadguard.django"`` in ``INSTALLED_APPS``, ``manage.py check --deploy`` reports one of

- ``threadguard.I001``: the application that ``WSGI_APPLICATION`` names is guarded, and the policy in force;
- ``threadguard.W001``: it is not;
- ``threadguard.W002``: the settings name none, so that it is not known what a server serves;
- ``threadguard.W003``: it is guarded, but by the policy ``log``, which lets requests overlap.

The check loads the application as ``runserver`` does (django/core/servers/basehttp.py `get_internal_wsgi_application`).
"""

from typing import Any, List

from django.conf import settings
from django.core import checks
from django.core.servers.basehttp import get_internal_wsgi_application

from threadguard.guard.middleware import ThreadGuard

_WRAP = "application = ThreadGuard(get_wsgi_application()) in wsgi.py, outside of any other middleware"


def check_application(app_configs: Any = None, **more: Any) -> List[checks.CheckMessage]:
    """One message: whether the application that the setting ``WSGI_APPLICATION`` names is guarded, and how.

    Raises ImproperlyConfigured where that application cannot be loaded, as a server would.
    """
    if settings.WSGI_APPLICATION is None:
        return [checks.Warning("The settings name no WSGI_APPLICATION, so it is not known what is served.",
                               hint="WSGI_APPLICATION = 'mysite.wsgi.application'", id="threadguard.W002")]
    application = get_internal_wsgi_application()
    if not isinstance(application, ThreadGuard):
        return [checks.Warning("The application that WSGI_APPLICATION names is not guarded.", hint=_WRAP,
                               id="threadguard.W001")]
    if application.policy == "log":
        return [checks.Warning("The application that WSGI_APPLICATION names is guarded by the policy log, which lets"
                               " requests overlap.", hint="policy='refuse'", id="threadguard.W003")]
    return [checks.Info("The application that WSGI_APPLICATION names is guarded, by the policy %s."
                        % application.policy, id="threadguard.I001")]


checks.register(check_application, "threadguard", deploy=True)
