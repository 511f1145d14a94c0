"""Deploy database schema changes with the confidence with which a good team deploys code."""

from __future__ import annotations

__version__ = "0.1.0"
