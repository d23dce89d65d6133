"""Falcon resources of the core, and what plugins' own resources need to answer: HTTP is known here and only here."""

from .answering import Pages, answer_json, never_store, redirect, set_cookies
from .back_channel import CLIENT_SECURITY, ERRORS, FORM_BODY, BackChannelResource
from .reading import FORM_UNREAD, Reader

__all__ = [
    "CLIENT_SECURITY",
    "ERRORS",
    "FORM_BODY",
    "FORM_UNREAD",
    "BackChannelResource",
    "Pages",
    "Reader",
    "answer_json",
    "never_store",
    "redirect",
    "set_cookies",
]
