"""The version of erm, where nothing else has to be loaded for it."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
