"""Every fault that a watched print may meet, as data: what breaks, what a person then reads, and how it heals."""
