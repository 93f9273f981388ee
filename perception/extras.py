"""Which extra brings a module that is missing."""

# Which extra brings a module that may be missing.
EXTRAS = {
    "onnxruntime": "cpu",
    "torch": "train",
    "onnx": "train",
    "onnxscript": "train",
    "pycocotools": "train",
    "matplotlib": "train",
}


def explain(error: ModuleNotFoundError, who: str) -> str:
    """What to install; raises the error itself where no extra has the module."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        raise error
    return f"{who} needs {module}, which is not installed: pip install 'perception[{EXTRAS[module]}]'"
