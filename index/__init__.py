"""A file becomes passages that can be searched. This package never hears of questions."""

import os

# Nothing is ever sent anywhere: set before the libraries that would are imported.
os.environ["ANONYMIZED_TELEMETRY"] = "False"  # chromadb
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime
