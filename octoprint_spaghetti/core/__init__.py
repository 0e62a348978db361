"""The part that decides: words, settings, the judge. Pure: no clock, no I/O, no thread, only the standard library."""
