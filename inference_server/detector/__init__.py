"""The spaghetti detector: data, network, training, calibration, evaluation and export to ONNX.

Everything below needs torch except :mod:`~inference_server.detector.strands`; serving needs none of it,
only the ONNX file that :mod:`~inference_server.detector.export` writes.
"""
