"""Cameras that are read without OctoPrint: over HTTP, one JPEG or a stream of them, and RTSP."""
