"""What the whole server does on this machine: beside its floor, beside a peer, and under a fleet of simulated printers."""
