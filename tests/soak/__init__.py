"""Hours of prints, one after the other, on real parts: does anything grow that should stay as it is? ``scripts/soak`` runs it."""
