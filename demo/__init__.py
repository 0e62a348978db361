"""The demonstration: a real OctoPrint, a real Triton and a webcam that plays a print going wrong, on one machine."""
