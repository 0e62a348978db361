"""Kept for OctoPrint's Plugin Manager and old tools; everything is in pyproject.toml."""

from setuptools import setup

setup(license="AGPL-3.0-or-later")
