"""Hostile and damaged input for everything that reads what others wrote: ``scripts/fuzz`` for long, the tests for a moment."""

from __future__ import annotations

from tests.fuzz import answers, bodies, forms, messages, pictures, printers, states, traces

TARGETS = (
    *pictures.TARGETS,
    *answers.TARGETS,
    *forms.TARGETS,
    *traces.TARGETS,
    *states.TARGETS,
    *printers.TARGETS,
    *messages.TARGETS,
    *bodies.TARGETS,
)
