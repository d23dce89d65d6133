"""Falcon resources of the core, and what plugins' own resources need to answer: HTTP is known here and only here."""

from .answering import answer_json, never_store, redirect, set_cookies
from .asked import Asked
from .authorize import as_get, finish
from .back_channel import CLIENT_SECURITY, ERRORS, FORM_BODY, BackChannelResource
from .descriptions import FORM_REFUSALS, PAGE, form_body
from .form_guard import FormGuard, origin_of
from .page_resource import PageResource
from .pages import Pages
from .reading import FORM_UNREAD, Reader

__all__ = [
    "CLIENT_SECURITY",
    "ERRORS",
    "FORM_BODY",
    "FORM_REFUSALS",
    "FORM_UNREAD",
    "PAGE",
    "Asked",
    "BackChannelResource",
    "FormGuard",
    "PageResource",
    "Pages",
    "Reader",
    "answer_json",
    "as_get",
    "finish",
    "form_body",
    "never_store",
    "origin_of",
    "redirect",
    "set_cookies",
]
