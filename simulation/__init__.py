"""How often would a good print be paused, and how soon a failing one? Simulated from measured scores.

``python -m simulation --data DATA`` runs the policies over a thousand hours of good prints and some hundred failing ones, which
are put together from what the shipped detector says of real and of rendered pictures. What is drawn and what is assumed
stands in ``paths.py``; what the figures can and cannot say in ``docs/decision.md``.
"""
