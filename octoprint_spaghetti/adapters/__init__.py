"""One outside thing per file: the camera, the inference server, the local detector, the printer, the disk."""
