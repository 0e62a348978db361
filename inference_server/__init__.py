"""The inference server of octoprint-spaghetti: the detector, how it is trained, and the Triton that serves it.

Nothing here knows OctoPrint. The plugin and this package meet in ``protos/`` and in the tensor names of
:mod:`inference_server.contract`; torch is imported only by the training and export modules.
"""
