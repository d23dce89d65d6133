"""Falcon resources of the core, and what plugins' own resources need to answer: HTTP is known here and only here."""

from .answering import Pages, answer_json, never_store, redirect, set_cookies
from .reading import Reader

__all__ = ["Pages", "Reader", "answer_json", "never_store", "redirect", "set_cookies"]
