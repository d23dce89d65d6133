"""A project of Django: settings, a page, a login, and one person, in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SETTINGS = """
SECRET_KEY = "a secret of the host's"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "project_urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.db"}}
FORM = '<form method="post">{% csrf_token %}{{ form }}</form>'
LOADERS = [("django.template.loaders.locmem.Loader", {"login.html": FORM})]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": LOADERS}}]
"""
_URLS = """
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("", lambda request: HttpResponse(f"Hello {request.user.get_username() or 'stranger'}")),
    path("login", LoginView.as_view(template_name="login.html", next_page="/")),
]
"""
_WSGI = """
import os
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
application = get_wsgi_application()
"""
_DATABASE = """
import os
import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
django.setup()
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User

User.objects.create_user("alice", "alice@example.org", "wonderland", first_name="Alice", last_name="Liddell")
"""


def make_project(folder: Path, *, urls: str = "") -> None:
    """Write one, whose `project_wsgi` is what Django makes, and its database. `urls` is an expression of more URLs."""
    (folder / "project_settings.py").write_text(_SETTINGS)
    (folder / "project_urls.py").write_text(_URLS)
    (folder / "project_wsgi.py").write_text(_WSGI)
    subprocess.run([sys.executable, "-c", _DATABASE], cwd=folder, check=True, timeout=60)
    if urls:
        with (folder / "project_urls.py").open("a") as file:
            file.write(f"urlpatterns.append({urls})\n")
